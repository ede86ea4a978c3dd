/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files of rules. What is wrong is noted, with what is allowed, and reading
 * goes on: all that is wrong is told at once. How far a broken rule denies is
 * said in model/policy.h; a line that could have been anything makes it one
 * about everything.
 */

#include <stdio.h>
#include <string.h>

#include "basic/fd.h"
#include "basic/ini.h"
#include "basic/siphash.h"
#include "basic/text.h"
#include "model/policy-internal.h"
#include "model/ports.h"

typedef enum RuleKey {
        KEY_FROM,
        KEY_TO,
        KEY_PORTS,
        KEY_PROTOCOL,
        KEY_ACTION,
        KEY_LOG,
        KEY_DESCRIPTION,
        _RULE_KEY_MAX,
} RuleKey;

static const char *const keys[_RULE_KEY_MAX] = {
        [KEY_FROM] = "From",
        [KEY_TO] = "To",
        [KEY_PORTS] = "Ports",
        [KEY_PROTOCOL] = "Protocol",
        [KEY_ACTION] = "Action",
        [KEY_LOG] = "Log",
        [KEY_DESCRIPTION] = "Description",
};

static const char *const allowed[_RULE_KEY_MAX] = {
        [KEY_FROM] = "app:NAME, tag:KEY=VALUE, user:NAME or user:UID, an address, a network (198.18.0.0/15, without host bits) and *",
        [KEY_TO] = "app:NAME, tag:KEY=VALUE, user:NAME or user:UID, an address, a network (198.18.0.0/15, without host bits) and *",
        [KEY_PORTS] = "ports from 1 to 65535 and ranges of them (8000-8100)",
        [KEY_PROTOCOL] = "tcp",
        [KEY_ACTION] = "allow or deny",
        [KEY_LOG] = "yes or no",
        [KEY_DESCRIPTION] = "text of up to 200 bytes",
};

typedef struct Parse {
        Policy *policy;
        const char *file; /* one of the policy's */
        Rule *rule;       /* NULL before the first */
        bool seen[_RULE_KEY_MAX];    /* said, if wrongly */
        bool unclear[_RULE_KEY_MAX]; /* nobody knows what was meant by it */
        bool garbled;                /* nor by the rule as a whole: it could be about anybody */
} Parse;

/* Text of a file, to be shown. */
static char *quote(const char *s) {
        return text_escape_head(s, 100);
}

static int rule_problem(Parse *parse, unsigned line, const char *text) {
        parse->rule->broken = true;
        return policy_add_problem(parse->policy, true, parse->file, line, "%s", text);
}

/* "Ports= does not take 'x'; allowed are …". */
static int value_problem(Parse *parse, unsigned line, RuleKey key, const char *value) {
        _cleanup_free_ char *quoted = quote(value);

        if (!quoted)
                return -ENOMEM;
        parse->rule->broken = parse->unclear[key] = true;
        return policy_add_problem(parse->policy, true, parse->file, line, "%s= does not take '%s'; allowed: %s", keys[key],
                                  quoted, allowed[key]);
}

/* Whatever the line was to say, it could have been about anybody. */
static int line_problem(Parse *parse, unsigned line, const char *what, const char *text, const char *hint) {
        _cleanup_free_ char *quoted = quote(text);

        if (!quoted)
                return -ENOMEM;
        parse->rule->broken = parse->garbled = true;
        return policy_add_problem(parse->policy, true, parse->file, line, "%s '%s'; allowed: %s", what, quoted, hint);
}

static int parse_number(const char *s, size_t n, unsigned long max, unsigned long *ret) {
        unsigned long v = 0;

        if (n == 0 || n > 10)
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                if (s[i] < '0' || s[i] > '9')
                        return -EINVAL;
                v = v * 10 + (unsigned long) (s[i] - '0');
        }
        if (v > max)
                return -EINVAL;
        *ret = v;
        return 0;
}

static int parse_app(const char *s, WordKey *ret) {
        if (name_invalid_reason(s))
                return -EINVAL;
        ret->kind = WORD_APP;
        strcpy(ret->text, s);
        name_normalize(ret->text);
        return 0;
}

static int parse_tag(const char *s, WordKey *ret) {
        Tags tags = {};
        int r;

        r = tags_add(&tags, s);
        tags_done(&tags);
        if (r < 0)
                return r;
        ret->kind = WORD_TAG;
        strcpy(ret->text, s);
        return 0;
}

static int parse_user(const Policy *p, const char *s, WordKey *ret) {
        unsigned long v;
        uid_t uid;
        int r;

        ret->kind = WORD_USER;
        if (*s >= '0' && *s <= '9') {
                r = parse_number(s, strlen(s), POLICY_NO_UID - 1, &v);
                uid = (uid_t) v;
        } else
                r = *s ? p->resolve_user(s, &uid, p->userdata) : -EINVAL;
        if (r < 0)
                return r;
        ret->number = uid;
        return 0;
}

static int parse_network(const char *s, WordKey *ret) {
        Network network;
        int r = network_parse(s, &network);

        if (r < 0)
                return r;
        ret->kind = WORD_NETWORK;
        ret->number = network.prefix;
        ret->network = network.address;
        return 0;
}

/* Returns 0; -EINVAL; -ENOMEM; or an error of the search for a user. */
static int parse_word(const Policy *p, const char *s, WordKey *ret) {
        *ret = (WordKey){};
        if (strcmp(s, "*") == 0) {
                ret->kind = WORD_ANY;
                return 0;
        }
        if (strncmp(s, "app:", 4) == 0)
                return parse_app(s + 4, ret);
        if (strncmp(s, "tag:", 4) == 0)
                return parse_tag(s + 4, ret);
        if (strncmp(s, "user:", 5) == 0)
                return parse_user(p, s + 5, ret);
        return parse_network(s, ret);
}

static int append_word(PolicyWord ***words, size_t *n, PolicyWord *word) {
        PolicyWord **grown = reallocarray(*words, *n + 1, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        *words = grown;
        grown[(*n)++] = word;
        return 0;
}

/* Adds to what is shown of a key: one more word of it. */
static int append_text(char **text, const char *word) {
        _cleanup_free_ char *escaped = text_escape(word); /* the name of a user can be anything */
        char *grown;

        if (!escaped || asprintf(&grown, "%s%s%s", *text ?: "", *text ? " " : "", escaped) < 0)
                return -ENOMEM;
        free(*text);
        *text = grown;
        return 0;
}

static int take_word(Parse *parse, unsigned line, RuleKey key, const char *s) {
        _cleanup_free_ char *quoted = NULL;
        Policy *p = parse->policy;
        Rule *rule = parse->rule;
        PolicyWord ***words = key == KEY_FROM ? &rule->from_words : &rule->to_words, *word;
        size_t *n = key == KEY_FROM ? &rule->n_from_words : &rule->n_to_words;
        WordKey what;
        int r;

        r = parse_word(p, s, &what);
        if (r == -ENOMEM)
                return r;
        if (r == -EINVAL)
                return value_problem(parse, line, key, s);
        if (r < 0) {
                parse->unclear[key] = rule->broken = true;
                quoted = quote(s + strlen("user:"));
                if (!quoted)
                        return -ENOMEM;
                return r == -ESRCH ? policy_add_problem(p, true, parse->file, line,
                                                        "%s= has the user '%s', whom this system does not know",
                                                        keys[key], quoted)
                                   : policy_add_problem(p, true, parse->file, line,
                                                        "%s= has the user '%s', who could not be looked up: %s",
                                                        keys[key], quoted, strerror(-r));
        }
        if (*n == POLICY_WORDS_MAX || p->n_words == POLICY_ALL_WORDS_MAX) {
                if (parse->unclear[key])
                        return 0;
                parse->unclear[key] = rule->broken = true;
                return policy_add_problem(p, true, parse->file, line,
                                          "%s= has too many words; allowed: %i for a rule, and %i for all rules together",
                                          keys[key], POLICY_WORDS_MAX, POLICY_ALL_WORDS_MAX);
        }
        word = policy_get_word(p, &what);
        if (!word)
                return -ENOMEM;
        p->n_words++;
        r = append_word(words, n, word);
        return r < 0 ? r : append_text(key == KEY_FROM ? &rule->from : &rule->to, s);
}

static int take_range(Parse *parse, unsigned line, RuleKey key, const char *s) {
        Rule *rule = parse->rule;
        uint16_t first, last;
        PortRange *grown;

        if (ports_parse(s, strlen(s), &first, &last) < 0)
                return value_problem(parse, line, key, s);
        if (rule->n_ranges == POLICY_RANGES_MAX || parse->policy->n_ranges == POLICY_ALL_RANGES_MAX) {
                if (parse->unclear[key])
                        return 0;
                parse->unclear[key] = rule->broken = true;
                return policy_add_problem(parse->policy, true, parse->file, line,
                                          "Ports= has too many ports and ranges; allowed: %i for a rule, and %i for all rules together",
                                          POLICY_RANGES_MAX, POLICY_ALL_RANGES_MAX);
        }
        grown = reallocarray(rule->ranges, rule->n_ranges + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        rule->ranges = grown;
        grown[rule->n_ranges++] = (PortRange){ (uint16_t) first, (uint16_t) last };
        parse->policy->n_ranges++;
        return append_text(&rule->ports, s);
}

/* Of keys with several words. */
static int take_words(Parse *parse, const IniLine *line, RuleKey key) {
        _cleanup_free_ char *copy = strdup(line->value);
        char *save = NULL;
        int r = 0;

        if (!copy)
                return -ENOMEM;
        if (!*line->value)
                return value_problem(parse, line->number, key, "");
        for (char *word = strtok_r(copy, " \t", &save); r >= 0 && word; word = strtok_r(NULL, " \t", &save))
                r = key == KEY_PORTS ? take_range(parse, line->number, key, word)
                                     : take_word(parse, line->number, key, word);
        return r;
}

static int take_choice(Parse *parse, const IniLine *line, RuleKey key, const char *yes, const char *no, bool *ret) {
        if (strcmp(line->value, yes) == 0)
                *ret = true;
        else if (no && strcmp(line->value, no) == 0)
                *ret = false;
        else
                return value_problem(parse, line->number, key, line->value);
        return 0;
}

static int take_description(Parse *parse, const IniLine *line) {
        _cleanup_free_ char *escaped = NULL;

        if (strlen(line->value) > POLICY_DESCRIPTION_MAX)
                return value_problem(parse, line->number, KEY_DESCRIPTION, line->value);
        escaped = text_escape(line->value);
        if (!escaped)
                return -ENOMEM;
        free(parse->rule->description);
        parse->rule->description = TAKE_PTR(escaped);
        return 0;
}

static int take_assignment(Parse *parse, const IniLine *line) {
        bool is_tcp;
        RuleKey key;

        for (key = 0; key < _RULE_KEY_MAX; key++)
                if (strcmp(keys[key], line->key) == 0)
                        break;
        if (key == _RULE_KEY_MAX)
                return line_problem(parse, line->number, "Unknown key", line->key,
                                    "From=, To=, Ports=, Protocol=, Action=, Log= and Description=");
        if (parse->seen[key] && key != KEY_FROM && key != KEY_TO && key != KEY_PORTS) {
                char text[64];

                (void) snprintf(text, sizeof(text), "%s= is there twice; allowed: once in a rule", keys[key]);
                return rule_problem(parse, line->number, text);
        }
        parse->seen[key] = true;
        switch (key) {
        case KEY_FROM:
        case KEY_TO:
        case KEY_PORTS:
                return take_words(parse, line, key);
        case KEY_PROTOCOL:
                return take_choice(parse, line, key, "tcp", NULL, &is_tcp);
        case KEY_ACTION:
                return take_choice(parse, line, key, "allow", "deny", &parse->rule->allow);
        case KEY_LOG:
                return take_choice(parse, line, key, "yes", "no", &parse->rule->log);
        case KEY_DESCRIPTION:
                return take_description(parse, line);
        case _RULE_KEY_MAX:
        default:
                return -EINVAL;
        }
}

static int compare_ranges(const void *a, const void *b) {
        const PortRange *x = a, *y = b;

        return (int) x->first - (int) y->first;
}

static void merge_ranges(Rule *rule) {
        size_t n = 0;

        if (rule->n_ranges == 0)
                return;
        qsort(rule->ranges, rule->n_ranges, sizeof(*rule->ranges), compare_ranges);
        for (size_t i = 1; i < rule->n_ranges; i++)
                if (rule->ranges[i].first <= rule->ranges[n].last + 1U)
                        rule->ranges[n].last = MAX2(rule->ranges[n].last, rule->ranges[i].last);
                else
                        rule->ranges[++n] = rule->ranges[i];
        rule->n_ranges = n + 1;
}

/* From= or To= of a broken rule: whatever it was. */
static int match_anybody(Policy *p, PolicyWord ***words, size_t *n, char **text) {
        PolicyWord *any = policy_get_word(p, &(WordKey){ .kind = WORD_ANY });

        *n = 0;
        free(*text);
        *text = strdup("*");
        return any && *text ? append_word(words, n, any) : -ENOMEM;
}

static uint64_t digest_add(uint64_t digest, const char *s) {
        static const uint8_t key[16] = "appswitch policy";
        const uint64_t both[] = { digest, siphash24(s, strlen(s), key) };

        return siphash24(both, sizeof(both), key);
}

/* The rule is over: what is missing is noted, what is broken becomes a denial. */
static int finish_rule(Parse *parse) {
        static const RuleKey needed[] = { KEY_FROM, KEY_TO, KEY_ACTION };
        Policy *p = parse->policy;
        Rule *rule = parse->rule;
        char flags[16];
        int r = 0;

        if (!rule)
                return 0;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(needed); i++) {
                const RuleKey key = needed[i];

                /* A key that was spelled wrongly is told as that. */
                if (parse->seen[key] || parse->garbled)
                        continue;
                rule->broken = parse->unclear[key] = true;
                r = policy_add_problem(p, true, parse->file, rule->line, "This rule has no %s=; allowed: %s", keys[key],
                                       allowed[key]);
        }
        if (rule->broken) {
                rule->allow = false;
                if (r >= 0 && (parse->garbled || parse->unclear[KEY_FROM]))
                        r = match_anybody(p, &rule->from_words, &rule->n_from_words, &rule->from);
                if (r >= 0 && (parse->garbled || parse->unclear[KEY_TO]))
                        r = match_anybody(p, &rule->to_words, &rule->n_to_words, &rule->to);
                if (parse->garbled || parse->unclear[KEY_PORTS]) {
                        rule->n_ranges = 0;
                        free(TAKE_PTR(rule->ports));
                }
        }
        merge_ranges(rule);
        rule->ports = rule->ports ?: strdup("");
        rule->description = rule->description ?: strdup("");
        if (r >= 0 && (!rule->ports || !rule->description))
                r = -ENOMEM;
        if (r < 0)
                return r;
        (void) snprintf(flags, sizeof(flags), "%i%i%i", rule->allow, rule->log, rule->broken);
        rule->digest = digest_add(0, rule->file);
        for (const char *const *s = (const char *const[]){ rule->from, rule->to, rule->ports, rule->description, flags, NULL }; *s;
             s++)
                rule->digest = digest_add(rule->digest, *s);
        return 0;
}

/* One rule more. When there is no room, the last one becomes one that denies all that comes there. */
static int begin_rule(Parse *parse, unsigned line) {
        Policy *p = parse->policy;
        int r;

        r = finish_rule(parse);
        if (r < 0)
                return r;
        *parse = (Parse){ .policy = p, .file = parse->file };
        if (p->n_rules < POLICY_RULES_MAX) {
                parse->rule = &p->rules[p->n_rules++];
                *parse->rule = (Rule){ .file = parse->file, .line = line };
                return 0;
        }
        parse->rule = &p->rules[POLICY_RULES_MAX - 1];
        parse->rule->broken = parse->garbled = true;
        if (parse->rule->line == 0)
                return 0;
        parse->rule->line = 0;
        return policy_add_problem(p, true, parse->file, line, "There are too many rules; allowed: %i in all files",
                                  POLICY_RULES_MAX);
}

static int take_line(const IniLine *line, void *userdata) {
        Parse *parse = userdata;
        int r = 0;

        if (line->type == INI_SECTION) {
                r = begin_rule(parse, line->number);
                if (r < 0 || strcmp(line->section, "Rule") == 0)
                        return r;
                return line_problem(parse, line->number, "Unknown section", line->section, "[Rule]");
        }
        if (!parse->rule) {
                r = begin_rule(parse, line->number);
                if (r >= 0 && line->type == INI_ASSIGNMENT)
                        r = line_problem(parse, line->number, "Before the first section there is", line->key, "[Rule]");
        }
        if (r < 0)
                return r;
        if (line->type == INI_ASSIGNMENT)
                return take_assignment(parse, line);
        return line_problem(parse, line->number, "Neither a section nor an assignment:", line->text,
                            "[Rule], and KEY=VALUE");
}

static int add_file_name(Policy *p, const char *file, const char **ret) {
        char **grown = reallocarray(p->files, p->n_files + 1, sizeof(char *)), *copy;

        if (!grown)
                return -ENOMEM;
        p->files = grown;
        copy = text_escape(file);
        if (!copy)
                return -ENOMEM;
        *ret = p->files[p->n_files++] = copy;
        return 0;
}

int policy_add_broken(Policy *p, const char *file, const char *reason) {
        Parse parse = { .policy = p };
        int r;

        r = add_file_name(p, file, &parse.file);
        if (r >= 0)
                r = begin_rule(&parse, 0);
        if (r >= 0)
                r = policy_add_problem(p, true, parse.file, 0, "The file %s", reason);
        if (r < 0)
                return r;
        parse.rule->broken = parse.garbled = true;
        return finish_rule(&parse);
}

int policy_add_file(Policy *p, const char *file, const char *text, size_t size) {
        _cleanup_fclose_ FILE *f = NULL;
        Parse parse = { .policy = p };
        int r;

        if (size > POLICY_FILE_SIZE_MAX)
                return policy_add_broken(p, file, "is larger than 1 MiB, which is allowed");
        if (size > 0 && memchr(text, '\0', size))
                return policy_add_broken(p, file, "has NUL bytes in it; allowed is text");
        if (size == 0)
                return 0;
        r = add_file_name(p, file, &parse.file);
        if (r < 0)
                return r;
        f = fmemopen((void *) text, size, "re");
        if (!f)
                return -ENOMEM;
        r = ini_read(f, take_line, &parse);
        return r < 0 ? r : finish_rule(&parse);
}
