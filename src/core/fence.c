/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "basic/log.h"
#include "core/app.h"
#include "core/fence.h"
#include "model/journal.h"
#include "model/members.h"
#include "model/policy.h"
#include "model/virtual-service.h"
#include "model/visibility.h"

/* What a party has of a policy. */
typedef struct Standing {
        PolicyBits bits;
        View *view;
        Exposure *exposure;
        bool view_is_new;
} Standing;

static void standing_done(Standing *s) {
        policy_bits_done(&s->bits);
        s->view = view_release(s->view);
        s->exposure = exposure_release(s->exposure);
}

static int standing_find(const Policy *policy, Visibility *v, const Party *party, Standing *ret) {
        Standing s = {};
        int r;

        r = policy_find_bits(policy, party->identity, &party->tags, party->uid, &s.bits);
        if (r >= 0 && !party->identity->service) {
                r = visibility_get_view(v, &party->tags, &s.bits, party->view, &s.view);
                s.view_is_new = r > 0;
        }
        if (r >= 0)
                r = visibility_get_exposure(v, &party->tags, &s.bits, &s.exposure);
        if (r < 0) {
                standing_done(&s);
                return r;
        }
        *ret = s;
        return 0;
}

/* The party has this one now, and `s` the one it had. */
static void standing_swap(Standing *s, Party *party) {
        const Standing old = { party->policy, party->view, party->exposure, false };

        party->policy = s->bits;
        party->view = s->view;
        party->exposure = s->exposure;
        *s = old;
}

/*
 * Finds out who may know of the identity's names, and tells if that is not as it
 * was told last. Returns 0 or -ENOMEM, which cannot be but the first time.
 */
static int update_identity(Manager *m, Identity *identity) {
        ViewSet set = {};

        if (identity->n_names == 0)
                return 0;
        if (!m->config.hide_names)
                memset(&set, 0xff, sizeof(set));
        else if (identity->service && identity->service->party.exposure)
                exposure_add_to(identity->service->party.exposure, &set);
        else
                for (const Party *p = identity->parties; p; p = p->next)
                        if (p->exposure)
                                exposure_add_to(p->exposure, &set);
        if (!identity->seen_by) {
                identity->seen_by = calloc(1, sizeof(set));
                if (!identity->seen_by)
                        return -ENOMEM;
        } else if (memcmp(identity->seen_by, &set, sizeof(set)) == 0)
                return 0;
        *identity->seen_by = set;
        if (m->feed)
                feed_set_names(m->feed, identity);
        return 0;
}

static void update_all(Manager *m) {
        for (AddressEntry *e = m->directory.by_address; e; e = e->hh.next)
                if (e == &e->identity->addresses[0])
                        (void) update_identity(m, e->identity);
}

int fence_add(Manager *m, Party *party) {
        bool view_is_new;
        Standing s;
        int r;

        r = standing_find(m->policy, m->visibility, party, &s);
        if (r < 0)
                return r;
        view_is_new = s.view_is_new;
        standing_swap(&s, party);
        r = update_identity(m, party->identity);
        if (r < 0)
                standing_swap(&s, party);
        standing_done(&s); /* of what it is not, or is not any more */
        if (r < 0)
                return r;
        if (view_is_new)
                update_all(m);
        return 0;
}

void fence_remove(Manager *m, Party *party) {
        Standing s = {};

        standing_swap(&s, party);
        standing_done(&s);
        if (party->identity && party->identity->n_parties > 1)
                (void) update_identity(m, party->identity);
}

int party_tags_changed(Manager *m, Party *party) {
        const int had = party->view ? (int) view_number(party->view) : -1;
        int r;

        r = fence_add(m, party);
        if (r < 0)
                return r;
        if (m->feed && party->view && (int) view_number(party->view) != had)
                feed_set_view(m->feed, party);
        if (!party->identity->service) {
                r = members_update_party(&m->directory, party);
                if (r < 0)
                        app_log_warning(r, party->id, "%s: failed to look for virtual services that select it, ignoring: %m",
                                        party->id);
        }
        return 0;
}

/* All that are in the fence: apps that have an identity, and virtual services. `ret` (or NULL) has room for them. */
static size_t list_parties(Manager *m, Party **ret) {
        size_t n = 0;

        for (App *app = m->apps; app; app = app->hh.next) {
                if (!app->party.exposure)
                        continue;
                if (ret)
                        ret[n] = &app->party;
                n++;
        }
        for (VirtualService *service = m->directory.services; service; service = service->hh.next) {
                if (!service->party.exposure)
                        continue;
                if (ret)
                        ret[n] = &service->party;
                n++;
        }
        return n;
}

int fence_set_policy(Manager *m, Policy *policy) {
        _cleanup_free_ Party **parties = NULL;
        _cleanup_free_ Standing *standings = NULL;
        _cleanup_free_ int *numbers = NULL;
        Visibility *v = visibility_new(policy, m->visibility);
        const size_t n = list_parties(m, NULL);
        size_t n_found = 0;
        int r = 0;

        parties = calloc(n + 1, sizeof(*parties));
        standings = calloc(n + 1, sizeof(*standings));
        numbers = calloc(n + 1, sizeof(*numbers));
        if (!v || !parties || !standings || !numbers)
                r = -ENOMEM;
        else
                (void) list_parties(m, parties);
        for (; r >= 0 && n_found < n; n_found++) {
                r = standing_find(policy, v, parties[n_found], &standings[n_found]);
                if (r < 0)
                        break;
        }
        for (size_t i = 0; r < 0 && i < n_found; i++)
                standing_done(&standings[i]);
        if (r < 0) {
                visibility_free(v);
                return r;
        }

        for (size_t i = 0; i < n; i++) {
                numbers[i] = parties[i]->view ? (int) view_number(parties[i]->view) : -1;
                standing_swap(&standings[i], parties[i]);
                standing_done(&standings[i]);
        }
        visibility_free(m->visibility);
        m->visibility = v;
        policy_free(m->policy);
        m->directory.policy = m->policy = policy;
        update_all(m);
        for (size_t i = 0; i < n; i++)
                if (m->feed && parties[i]->view && (int) view_number(parties[i]->view) != numbers[i])
                        feed_set_view(m->feed, parties[i]);
        return 0;
}

void fence_done(Manager *m) {
        for (VirtualService *service = m->directory.services; service; service = service->hh.next)
                fence_remove(m, &service->party);
        m->visibility = visibility_free(m->visibility);
        m->directory.policy = NULL;
        m->policy = policy_free(m->policy);
}
