/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Proves who has one view, who is seen by which, and what becomes of the numbers of views. */

#include <string.h>

#include "model/visibility.h"
#include "unit.h"

static const Address address = { AF_INET, { 198, 18, 0, 1 } };
static Policy *policy;
static Visibility *visibility;

static void load(const char *rules) {
        policy = policy_new(NULL, NULL);
        ck_assert_int_eq(policy_add_file(policy, "/etc/rules.conf", rules, strlen(rules)), 0);
        ck_assert_int_eq(policy_seal(policy, NULL), 0);
        visibility = visibility_new(policy, NULL);
        ck_assert_ptr_nonnull(visibility);
}

static void teardown(void) {
        visibility = visibility_free(visibility);
        policy = policy_free(policy);
}

/* What an app of this name with one tag has. */
typedef struct Party1 {
        View *view;
        Exposure *exposure;
        bool is_new;
} Party1;

static Party1 add(Visibility *v, const Policy *p, const char *name, const char *tag, const View *preferred) {
        _cleanup_(tags_done) Tags tags = {};
        Identity identity = { .n_names = 1, .names[0].name = (char *) name, .n_addresses = 1, .addresses[0].address = address };
        PolicyBits bits = {};
        Party1 party;
        int r;

        ck_assert_int_eq(tags_add(&tags, tag), 0);
        ck_assert_int_eq(policy_find_bits(p, &identity, &tags, POLICY_NO_UID, &bits), 0);
        r = visibility_get_view(v, &tags, &bits, preferred, &party.view);
        ck_assert_int_ge(r, 0);
        party.is_new = r > 0;
        ck_assert_int_eq(visibility_get_exposure(v, &tags, &bits, &party.exposure), 0);
        policy_bits_done(&bits);
        return party;
}

static void drop(Party1 *party) {
        party->view = view_release(party->view);
        party->exposure = exposure_release(party->exposure);
}

static bool sees(const Party1 *client, const Party1 *server) {
        ViewSet set = {};

        exposure_add_to(server->exposure, &set);
        return view_set_has(&set, view_number(client->view));
}

/* The same tags and the same rules are one view; a tag or a rule that makes a difference makes another. */
START_TEST(test_views) {
        Party1 a, b, c, d;

        load("[Rule]\nFrom=app:c\nTo=app:a\nAction=deny\n");
        a = add(visibility, policy, "a", "zone=x", NULL);
        b = add(visibility, policy, "b", "zone=x", NULL);
        c = add(visibility, policy, "c", "zone=x", NULL);
        d = add(visibility, policy, "d", "zone=y", NULL);
        ck_assert(a.is_new && !b.is_new && c.is_new && d.is_new);
        ck_assert_ptr_eq(a.view, b.view);
        ck_assert_ptr_ne(a.exposure, b.exposure);
        ck_assert_ptr_eq(b.exposure, c.exposure);

        ck_assert(sees(&a, &b) && sees(&b, &a) && sees(&a, &c) && sees(&c, &b));
        ck_assert(!sees(&c, &a));
        ck_assert(!sees(&d, &a) && !sees(&a, &d) && sees(&d, &d));
        drop(&a);
        ck_assert(sees(&b, &c));
        drop(&b);
        drop(&c);
        drop(&d);
}
END_TEST

/* A number is given again, and means the new view then. */
START_TEST(test_numbers) {
        Party1 a, b, c;
        unsigned number;

        load("");
        a = add(visibility, policy, "a", "zone=x", NULL);
        b = add(visibility, policy, "b", "zone=y", NULL);
        number = view_number(b.view);
        ck_assert_uint_ne(view_number(a.view), number);
        ck_assert(!sees(&b, &a));
        drop(&b);
        c = add(visibility, policy, "c", "zone=x", NULL);
        ck_assert_ptr_eq(c.view, a.view);
        b = add(visibility, policy, "b", "zone=z", NULL);
        ck_assert_uint_eq(view_number(b.view), number);
        ck_assert(!sees(&b, &a) && sees(&c, &a));
        drop(&a);
        drop(&b);
        drop(&c);
}
END_TEST

/* As many as there are numbers, and not one more. */
START_TEST(test_bound) {
        static Party1 parties[VIEWS_MAX];
        _cleanup_(tags_done) Tags tags = {};
        PolicyBits bits = {};
        View *view;
        char tag[32];

        load("");
        for (unsigned i = 0; i < VIEWS_MAX; i++) {
                (void) snprintf(tag, sizeof(tag), "zone=%u", i);
                parties[i] = add(visibility, policy, "a", tag, NULL);
                ck_assert_uint_eq(view_number(parties[i].view), i);
        }
        ck_assert_int_eq(tags_add(&tags, "zone=more"), 0);
        ck_assert_int_eq(visibility_get_view(visibility, &tags, &bits, NULL, &view), -ENOSPC);
        ck_assert(sees(&parties[4095], &parties[4095]) && !sees(&parties[4095], &parties[0]));
        drop(&parties[5]);
        ck_assert_int_eq(visibility_get_view(visibility, &tags, &bits, NULL, &view), 1);
        ck_assert_uint_eq(view_number(view), 5);
        view_release(view);
        for (unsigned i = 0; i < VIEWS_MAX; i++)
                drop(&parties[i]);
}
END_TEST

/* With another policy a view keeps its number; who is no more in it gets one that nobody had. */
START_TEST(test_other_policy) {
        static const char rules[] = "[Rule]\nFrom=app:b\nTo=*\nAction=deny\n";
        Party1 a, b, c, new_a, new_b, new_c;
        Visibility *after;
        Policy *other;

        load("");
        c = add(visibility, policy, "c", "zone=y", NULL);
        a = add(visibility, policy, "a", "zone=x", NULL);
        b = add(visibility, policy, "b", "zone=x", NULL);
        other = policy_new(NULL, NULL);
        ck_assert_int_eq(policy_add_file(other, "/etc/rules.conf", rules, strlen(rules)), 0);
        ck_assert_int_eq(policy_seal(other, NULL), 0);
        after = visibility_new(other, visibility);
        ck_assert_ptr_nonnull(after);
        new_a = add(after, other, "a", "zone=x", a.view);
        new_b = add(after, other, "b", "zone=x", b.view);
        new_c = add(after, other, "c", "zone=y", c.view);
        ck_assert_uint_eq(view_number(new_a.view), view_number(a.view));
        ck_assert_uint_eq(view_number(new_c.view), view_number(c.view));
        ck_assert_uint_ge(view_number(new_b.view), 2);
        ck_assert(sees(&new_a, &new_b) && !sees(&new_b, &new_a));
        drop(&a);
        drop(&b);
        drop(&c);
        drop(&new_a);
        drop(&new_b);
        drop(&new_c);
        visibility_free(after);
        policy_free(other);
}
END_TEST

int main(void) {
        return UNIT_RUN("visibility", NULL, teardown, test_views, test_numbers, test_bound, test_other_policy);
}
