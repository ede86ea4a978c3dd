/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <string.h>

#include "dns/wire.h"

enum {
        LABEL_MAX = 63,
        LABEL_POINTER = 0xc0,
        POINTERS_MAX = WIRE_NAME_MAX / 2, /* in a name: as many as it can have labels; a chain of bare ones would be dear to follow */
        RECORD_FIXED_SIZE = 10, /* type, class, ttl, length of the data */
};

uint16_t wire_uint16(const uint8_t *p) {
        return (uint16_t) (p[0] << 8 | p[1]);
}

uint32_t wire_uint32(const uint8_t *p) {
        return (uint32_t) wire_uint16(p) << 16 | wire_uint16(p + 2);
}

void wire_put_uint16(uint8_t *p, uint16_t value) {
        p[0] = (uint8_t) (value >> 8);
        p[1] = (uint8_t) value;
}

void wire_put_uint32(uint8_t *p, uint32_t value) {
        wire_put_uint16(p, (uint16_t) (value >> 16));
        wire_put_uint16(p + 2, (uint16_t) value);
}

static uint8_t octet_lower(uint8_t octet) {
        return octet >= 'A' && octet <= 'Z' ? (uint8_t) (octet - 'A' + 'a') : octet;
}

int wire_skip_name(const uint8_t *data, size_t size, size_t *pos, bool may_point) {
        size_t begin = *pos, p = begin;

        while (p < size) {
                uint8_t label = data[p];

                if (label >= LABEL_POINTER) {
                        if (!may_point || size - p < 2)
                                break;
                        *pos = p + 2;
                        return 0;
                }
                if (label > LABEL_MAX)
                        break;
                p += 1U + label;
                if (p - begin > WIRE_NAME_MAX)
                        break;
                if (label == 0) {
                        *pos = p;
                        return 0;
                }
        }
        return -EBADMSG;
}

int wire_read_name(const uint8_t *data, size_t size, size_t pos, uint8_t ret[static WIRE_NAME_MAX]) {
        size_t begin = pos, n = 0;
        unsigned n_pointers = 0;

        while (pos < size) {
                uint8_t label = data[pos];

                if (label >= LABEL_POINTER) {
                        if (size - pos < 2 || ++n_pointers > POINTERS_MAX)
                                return -EBADMSG;
                        pos = wire_uint16(data + pos) & 0x3fff;
                        if (pos >= begin)
                                return -EBADMSG;
                        begin = pos;
                        continue;
                }
                if (label > LABEL_MAX || label >= size - pos || n + 1 + label > WIRE_NAME_MAX)
                        return -EBADMSG;
                ret[n++] = label;
                for (size_t i = 1; i <= label; i++)
                        ret[n++] = octet_lower(data[pos + i]);
                if (label == 0)
                        return (int) n;
                pos += 1U + label;
        }
        return -EBADMSG;
}

int wire_read_record(const uint8_t *data, size_t size, size_t *pos, WireRecord *ret) {
        int r;

        ret->owner = *pos;
        r = wire_skip_name(data, size, pos, true);
        if (r < 0)
                return r;
        if (size - *pos < RECORD_FIXED_SIZE)
                return -EBADMSG;
        ret->type = wire_uint16(data + *pos);
        ret->class = wire_uint16(data + *pos + 2);
        ret->ttl = *pos + 4;
        ret->data = *pos + RECORD_FIXED_SIZE;
        ret->data_size = wire_uint16(data + *pos + 8);
        if (size - ret->data < ret->data_size)
                return -EBADMSG;
        *pos = ret->data + ret->data_size;
        return 0;
}

void wire_lower_name(const uint8_t *name, size_t size, uint8_t *ret) {
        /* A length is at most 63, and so no letter. */
        for (size_t i = 0; i < size; i++)
                ret[i] = octet_lower(name[i]);
}

static char octet_to_text(uint8_t octet) {
        octet = octet_lower(octet);
        return octet <= ' ' || octet == '.' || octet >= 0x7f ? '?' : (char) octet;
}

void wire_name_to_text(const uint8_t *name, char *ret) {
        const char *begin = ret;

        while (*name > 0) {
                uint8_t label = *name++;

                if (ret > begin)
                        *ret++ = '.';
                while (label-- > 0)
                        *ret++ = octet_to_text(*name++);
        }
        *ret = '\0';
}
