/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Stepping through a DNS message, whoever sent it (RFC 1035, 4.1). Every
 * function checks what it reads against the size of the message and has a
 * bounded cost. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
        WIRE_NAME_MAX = 255,     /* octets of a name */
        WIRE_QUESTION_FIXED = 4, /* type, class: what follows the name of a question */
        WIRE_MESSAGE_MAX = 65535,
};

/* One record; where its parts are. */
typedef struct WireRecord {
        size_t owner; /* offset of its name */
        uint16_t type;
        uint16_t class;
        size_t ttl; /* offset of the four octets */
        size_t data;
        size_t data_size;
} WireRecord;

/*
 * Steps over the name at `*pos`; a pointer ends it (RFC 1035, 4.1.4), if there
 * may be one. Returns 0 or -EBADMSG.
 */
int wire_skip_name(const uint8_t *data, size_t size, size_t *pos, bool may_point);

/*
 * Reads the name at `pos`, following its pointers, each of which must lead to
 * before where the part that it ends began, so there is no loop. It is written
 * without pointers and in lower case, so that the same names are the same
 * octets. Returns its size or -EBADMSG.
 */
int wire_read_name(const uint8_t *data, size_t size, size_t pos, uint8_t ret[static WIRE_NAME_MAX]);

/* Reads the record at `*pos` and steps over it. Returns 0 or -EBADMSG. */
int wire_read_record(const uint8_t *data, size_t size, size_t *pos, WireRecord *ret);

uint16_t wire_uint16(const uint8_t *p);
uint32_t wire_uint32(const uint8_t *p);
void wire_put_uint16(uint8_t *p, uint16_t value);
void wire_put_uint32(uint8_t *p, uint32_t value);

/* Copies a name of `size` octets without pointers in lower case. */
void wire_lower_name(const uint8_t *name, size_t size, uint8_t *ret);

/*
 * The name as text: lower case, no dot at its end, empty for the root. An octet
 * that no name of ours can have (a dot inside a label, say) is '?' there. `name`
 * has no pointers, `ret` has room for WIRE_NAME_MAX characters.
 */
void wire_name_to_text(const uint8_t *name, char *ret);
