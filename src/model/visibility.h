/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who may know of whose names: those that may connect to some port of somebody
 * who has them.
 *
 * That is asked for all apps and all names, so it is asked once for all that
 * are the same to it: clients with the same tags, which the same rules are
 * about, have one `View`, and servers one `Exposure`, which knows by which views
 * it is seen. Views have small numbers, so that what sees a name is a `ViewSet`,
 * which the name service is told; which app has which view it is told, too.
 *
 * A `Visibility` is that of one policy: for another one there is another one,
 * and views of apps keep their numbers as far as that can be.
 */

#include "model/policy.h"

enum { VIEWS_MAX = 4096 };

typedef struct ViewSet {
        uint64_t words[VIEWS_MAX / 64];
} ViewSet;

typedef struct Visibility Visibility;
typedef struct View View;
typedef struct Exposure Exposure;

/* `policy` (or NULL) stays the caller's. Numbers that `old` (or NULL) has are left free as long as there are others. */
Visibility *visibility_new(const Policy *policy, const Visibility *old);

/* No view and no exposure may be left. */
Visibility *visibility_free(Visibility *v);
DEFINE_CLEANUP(Visibility *, visibility_free)

/*
 * The view of a client with these tags and bits, to be released;
 * `preferred` (or NULL), of this or an older visibility, has the number that it
 * gets if it is new. Returns 1 if it is, so that others may be seen by one view
 * more; 0; -ENOSPC if there are VIEWS_MAX; or -ENOMEM.
 */
int visibility_get_view(Visibility *v, const Tags *tags, const PolicyBits *bits, const View *preferred, View **ret);
View *view_release(View *view);

/* Less than VIEWS_MAX. */
unsigned view_number(const View *view);

/* The same for a server. Returns 0 or -ENOMEM. */
int visibility_get_exposure(Visibility *v, const Tags *tags, const PolicyBits *bits, Exposure **ret);
Exposure *exposure_release(Exposure *exposure);

/* Adds those views that see it. */
void exposure_add_to(const Exposure *exposure, ViewSet *set);

static inline bool view_set_has(const ViewSet *set, unsigned number) {
        return set->words[number / 64] >> (number % 64) & 1;
}
