/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

/* Out of memory is an error of one call here, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "model/visibility.h"

/* What makes parties the same, as bytes: the tags, each with its NUL, and the bits of rules. */
typedef struct Key {
        char *bytes;
        size_t size;
} Key;

/* What views and exposures have in common. */
typedef struct Standing {
        Visibility *visibility;
        unsigned n_refs;
        Key key;
        Tags tags;
        PolicyBits bits;
        UT_hash_handle hh; /* by key */
} Standing;

struct View {
        Standing standing;
        unsigned number;
};

struct Exposure {
        Standing standing;
        ViewSet seen_by; /* bits of views that are no more mean nothing, and are set anew with the next of the number */
};

struct Visibility {
        const Policy *policy;
        Standing *views, *exposures; /* uthash */
        View *by_number[VIEWS_MAX];
        ViewSet avoided;
};

Visibility *visibility_new(const Policy *policy, const Visibility *old) {
        Visibility *v = calloc(1, sizeof(*v));

        if (!v)
                return NULL;
        v->policy = policy;
        for (unsigned i = 0; old && i < VIEWS_MAX; i++)
                if (old->by_number[i])
                        v->avoided.words[i / 64] |= UINT64_C(1) << (i % 64);
        return v;
}

Visibility *visibility_free(Visibility *v) {
        if (!v)
                return NULL;
        assert(!v->views && !v->exposures);
        free(v);
        return NULL;
}

static int key_make(const Tags *tags, const uint64_t *words, unsigned n_words, Key *ret) {
        size_t size = n_words * sizeof(uint64_t), n;
        char *p;

        for (size_t i = 0; i < tags->n; i++)
                size += strlen(tags->tags[i]) + 1;
        /* Never empty: uthash hashes at least something. */
        p = ret->bytes = calloc(1, size + 1);
        if (!p)
                return -ENOMEM;
        ret->size = size + 1;
        for (size_t i = 0; i < tags->n; i++) {
                n = strlen(tags->tags[i]) + 1;
                p = (char *) memcpy(p, tags->tags[i], n) + n;
        }
        if (n_words > 0)
                memcpy(p, words, n_words * sizeof(uint64_t));
        return 0;
}

static void standing_done(Standing *s) {
        free(s->key.bytes);
        tags_done(&s->tags);
        policy_bits_done(&s->bits);
}

static int standing_fill(Standing *s, Visibility *v, const Tags *tags, const PolicyBits *bits) {
        const size_t size = 2 * bits->n_words * sizeof(uint64_t);

        s->visibility = v;
        s->n_refs = 1;
        for (size_t i = 0; i < tags->n; i++)
                if (tags_add(&s->tags, tags->tags[i]) < 0)
                        return -ENOMEM;
        s->bits = *bits;
        s->bits.words = NULL;
        if (size > 0) {
                s->bits.words = malloc(size);
                if (!s->bits.words)
                        return -ENOMEM;
                memcpy(s->bits.words, bits->words, size);
        }
        return 0;
}

/*
 * Finds the one of the table, with one reference more, or makes one of `size`
 * bytes. Returns 1 if it is new, 0 if not, or -ENOMEM.
 */
static int standing_get(Visibility *v, Standing **table, size_t size, const Tags *tags, const PolicyBits *bits,
                        const uint64_t *words, Standing **ret) {
        Standing *s;
        Key key;
        int r;

        r = key_make(tags, words, bits->n_words, &key);
        if (r < 0)
                return r;
        HASH_FIND(hh, *table, key.bytes, key.size, s);
        if (s) {
                free(key.bytes);
                s->n_refs++;
                *ret = s;
                return 0;
        }
        s = calloc(1, size);
        if (!s) {
                free(key.bytes);
                return -ENOMEM;
        }
        s->key = key;
        r = standing_fill(s, v, tags, bits);
        if (r >= 0) {
                HASH_ADD_KEYPTR(hh, *table, s->key.bytes, s->key.size, s);
                if (!s->hh.tbl)
                        r = -ENOMEM;
        }
        if (r < 0) {
                standing_done(s);
                free(s);
                return r;
        }
        *ret = s;
        return 1;
}

/* Whether the client may connect to some port of the server. */
static bool sees(const Visibility *v, const Standing *client, const Standing *server) {
        return tags_shared(&client->tags, &server->tags) &&
                        policy_decide_any_port(v->policy, &client->bits, &server->bits).allowed;
}

static void exposure_look(Exposure *exposure, const View *view) {
        uint64_t *word = &exposure->seen_by.words[view->number / 64], bit = UINT64_C(1) << (view->number % 64);

        if (sees(view->standing.visibility, &view->standing, &exposure->standing))
                *word |= bit;
        else
                *word &= ~bit;
}

static View *view_of(Standing *s) {
        return CONTAINER_OF(s, View, standing);
}

static Exposure *exposure_of(Standing *s) {
        return CONTAINER_OF(s, Exposure, standing);
}

/* The lowest number that is free, if possible one that was not used by the last visibility either. */
static int find_number(const Visibility *v, const View *preferred) {
        if (preferred && !v->by_number[preferred->number])
                return (int) preferred->number;
        for (unsigned i = 0; i < VIEWS_MAX; i++)
                if (!v->by_number[i] && !view_set_has(&v->avoided, i))
                        return (int) i;
        for (unsigned i = 0; i < VIEWS_MAX; i++)
                if (!v->by_number[i])
                        return (int) i;
        return -ENOSPC;
}

int visibility_get_view(Visibility *v, const Tags *tags, const PolicyBits *bits, const View *preferred, View **ret) {
        Standing *s;
        int r, number;

        r = standing_get(v, &v->views, sizeof(View), tags, bits, bits->words, &s);
        if (r < 0)
                return r;
        if (r > 0) {
                number = find_number(v, preferred);
                if (number < 0) {
                        HASH_DEL(v->views, s);
                        standing_done(s);
                        free(view_of(s));
                        return number;
                }
                view_of(s)->number = (unsigned) number;
                v->by_number[number] = view_of(s);
                for (Standing *e = v->exposures; e; e = e->hh.next)
                        exposure_look(exposure_of(e), view_of(s));
        }
        *ret = view_of(s);
        return r;
}

View *view_release(View *view) {
        Visibility *v;

        if (!view || --view->standing.n_refs > 0)
                return NULL;
        v = view->standing.visibility;
        v->by_number[view->number] = NULL;
        HASH_DEL(v->views, &view->standing);
        standing_done(&view->standing);
        free(view);
        return NULL;
}

unsigned view_number(const View *view) {
        return view->number;
}

int visibility_get_exposure(Visibility *v, const Tags *tags, const PolicyBits *bits, Exposure **ret) {
        Standing *s;
        int r;

        r = standing_get(v, &v->exposures, sizeof(Exposure), tags, bits, bits->words ? bits->words + bits->n_words : NULL, &s);
        if (r < 0)
                return r;
        for (Standing *view = r > 0 ? v->views : NULL; view; view = view->hh.next)
                exposure_look(exposure_of(s), view_of(view));
        *ret = exposure_of(s);
        return 0;
}

Exposure *exposure_release(Exposure *exposure) {
        if (!exposure || --exposure->standing.n_refs > 0)
                return NULL;
        HASH_DEL(exposure->standing.visibility->exposures, &exposure->standing);
        standing_done(&exposure->standing);
        free(exposure);
        return NULL;
}

void exposure_add_to(const Exposure *exposure, ViewSet *set) {
        for (size_t i = 0; i < ELEMENTSOF(set->words); i++)
                set->words[i] |= exposure->seen_by.words[i];
}
