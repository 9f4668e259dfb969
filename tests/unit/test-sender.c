/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a message after an attempt, from what the server said to each recipient. DESIGN 3. */
#include <stdio.h>
#include <stdlib.h>

#include "app/live.h"
#include "app/receiver.h"
#include "app/sender_result.h"
#include "base/clock.h"
#include "tap.h"

#define NOW ((int64_t)1800000000 * 1000)
#define RECIPIENTS_MAX 3

/* One letter a recipient: u(nanswered) a(ccepted) d(eferred) r(ejected) ?(in doubt). */
static enum smtp_class class_of(char letter)
{
    return letter == 'a' ? SMTP_ACCEPTED : letter == 'd' ? SMTP_DEFERRED : letter == 'r' ? SMTP_REJECTED :
           letter == '?' ? SMTP_IN_DOUBT : SMTP_UNANSWERED;
}

/* And one letter a state: q(ueued) d(eferred) s(ent) f(ailed) c(anceled) ?(uncertain). */
static char letter_of(enum message_state state)
{
    static const char letters[] = { [MESSAGE_QUEUED] = 'q', [MESSAGE_SENDING] = 'S', [MESSAGE_HELD] = 'h', [MESSAGE_DEFERRED] = 'd',
                                    [MESSAGE_SENT] = 's', [MESSAGE_FAILED] = 'f', [MESSAGE_CANCELED] = 'c',
                                    [MESSAGE_UNCERTAIN] = '?' };

    return letters[state];
}

static enum message_state state_of(char letter)
{
    for (int state = MESSAGE_QUEUED; state <= MESSAGE_UNCERTAIN; state++)
        if (letter_of((enum message_state)state) == letter)
            return (enum message_state)state;
    return MESSAGE_QUEUED;
}

static struct message *message_with(const char *states, int64_t age_ms, int attempts)
{
    struct message *message = message_new();

    message->state = MESSAGE_SENDING;
    message->created_at = NOW - age_ms;
    message->next_attempt = NOW;
    message->attempts = attempts;
    message->sender = mem_strdup("plant@example.com");
    message->recipient_count = strlen(states);
    message->recipients = mem_array(message->recipient_count, sizeof(*message->recipients));
    for (size_t i = 0; i < message->recipient_count; i++) {
        message->recipients[i].address = mem_printf("r%zu@example.com", i);
        message->recipients[i].state = state_of(states[i]);
    }
    return message;
}

static const struct row {
    const char *name;
    const char *before, *answers;       /* recipients' states; one answer for each that is open */
    enum smtp_outcome outcome;
    bool at_most_once, overdue;
    char state;
    const char *after;
    char next;                          /* '0': none, '+': later than now */
    const char *cause;                  /* last_code, or NULL */
} rows[] = {
    { "accepted", "q", "a", SMTP_SENT, false, false, 's', "s", '0', NULL },
    { "all accepted", "qqq", "aaa", SMTP_SENT, false, false, 's', "sss", '0', NULL },
    { "refused for good", "q", "r", SMTP_PERMANENT, false, false, 'f', "f", '0', "delivery.refused" },
    { "refused for now", "q", "d", SMTP_TEMPORARY, false, false, 'd', "d", '+', "delivery.deferred" },
    { "a refusal is final for that recipient only", "qqq", "ara", SMTP_SENT, false, false, 's', "sfs", '0', "delivery.refused" },
    { "one sent, one later", "qq", "ad", SMTP_SENT, false, false, 'd', "sd", '+', "delivery.deferred" },
    { "one refused, one later", "qq", "rd", SMTP_TEMPORARY, false, false, 'd', "fd", '+', "delivery.refused" },
    { "all refused", "qq", "rr", SMTP_PERMANENT, false, false, 'f', "ff", '0', "delivery.refused" },
    { "RCPT taken, DATA refused for now", "qq", "dd", SMTP_TEMPORARY, false, false, 'd', "dd", '+', "delivery.deferred" },
    { "RCPT taken, and the connection lost before the dot", "qq", "aa", SMTP_LOST, false, false, 'd', "dd", '+', "connect.closed" },
    { "lost before anything was answered", "q", "u", SMTP_LOST, false, false, 'd', "d", '+', "connect.closed" },
    { "lost after the dot: sent again", "q", "?", SMTP_UNCERTAIN, false, false, '?', "?", '+', "connect.closed" },
    { "lost after the dot: left to a person", "q", "?", SMTP_UNCERTAIN, true, false, '?', "?", '0', "connect.closed" },
    { "in doubt for those the server had taken only", "qq", "?r", SMTP_UNCERTAIN, true, false, '?', "?f", '0', "delivery.refused" },
    { "those who have it stay out of it", "sq", "a", SMTP_SENT, false, false, 's', "ss", '0', NULL },
    { "the second try sends the rest", "sdf", "a", SMTP_SENT, false, false, 's', "ssf", '0', NULL },
    { "a canceled recipient is not tried", "cq", "r", SMTP_PERMANENT, false, false, 'f', "cf", '0', "delivery.refused" },
    { "after an uncertain try it goes out again", "?", "a", SMTP_SENT, false, false, 's', "s", '0', NULL },
    { "an attempt that came to nothing leaves it uncertain", "?", "u", SMTP_LOST, false, false, '?', "?", '+', "connect.closed" },
    { "and so does one that was put off", "?", "d", SMTP_TEMPORARY, true, false, '?', "?", '0', "delivery.deferred" },
    { "given up after retryFor", "d", "d", SMTP_TEMPORARY, false, true, 'f', "f", '0', "delivery.deferred" },
    { "given up, one had been sent", "sd", "d", SMTP_TEMPORARY, false, true, 's', "sf", '0', "delivery.deferred" },
    { "given up when the connection is lost", "q", "u", SMTP_LOST, false, true, 'f', "f", '0', "connect.closed" },
    { "an uncertain one is never given up silently", "q", "?", SMTP_UNCERTAIN, false, true, '?', "?", '+', "connect.closed" },
};

static void apply(struct message *message, const struct row *row, const struct account *account)
{
    static const int codes[] = { [SMTP_ACCEPTED] = 250, [SMTP_DEFERRED] = 450, [SMTP_REJECTED] = 550 };
    struct result_envelope envelope;
    struct err err;

    result_envelope_init(&envelope, message);
    is_int((long long)envelope.smtp.count, (long long)strlen(row->answers), "as many are tried as are open");
    for (size_t i = 0; i < envelope.smtp.count && row->answers[i]; i++) {
        struct smtp_result *result = &envelope.results[i];

        result->class = class_of(row->answers[i]);
        if (result->class != SMTP_UNANSWERED && result->class != SMTP_IN_DOUBT) {
            result->code = codes[result->class];
            snprintf(result->enhanced, sizeof(result->enhanced), "%c.1.1", (char)('0' + result->code / 100));
            snprintf(result->text, sizeof(result->text), "said so");
        }
    }
    err_id(&err, ERR_TEMPORARY, row->outcome == SMTP_LOST || row->outcome == SMTP_UNCERTAIN ? "connect.closed" : "protocol.refused",
           "smtp.dot", "The server closed the connection.");
    result_apply(message, &envelope, row->outcome, row->outcome == SMTP_SENT ? NULL : &err, account, NOW);
    result_envelope_free(&envelope);
}

static bool has(const struct message *message, const char *after)
{
    for (size_t i = 0; i < message->recipient_count; i++)
        if (letter_of(message->recipients[i].state) != after[i])
            return false;
    return true;
}

static void test_apply(void)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        struct account account = { .retry_for = 3600, .delivery_guarantee = row->at_most_once ? GUARANTEE_AT_MOST_ONCE :
                                                                            GUARANTEE_AT_LEAST_ONCE };
        AUTO(message) message = message_with(row->before, row->overdue ? 3601 * 1000 : 1000, 1);

        message->last_code = row->overdue ? mem_strdup("connect.refused") : NULL;
        char state[2] = { 0 }, right[2] = { row->state, 0 };

        apply(message, row, &account);
        state[0] = letter_of(message->state);
        is_str(state, right, row->name);
        ok(has(message, row->after), "%s: recipients are %s", row->name, row->after);
        ok(row->next == '0' ? message->next_attempt == 0 : message->next_attempt > NOW, "%s: %s", row->name,
           row->next == '0' ? "no further try" : "another try later");
        is_str(message->last_code, row->cause, "  and says why");
        ok((message->finished_at == NOW) == (row->state == 's' || row->state == 'f'), "  and is over, or not");
    }
}

static void test_words(void)
{
    struct account account = { .retry_for = 3600 };
    static const struct row refused = { "", "qq", "ar", SMTP_SENT, false, false, 's', "sf", '0', NULL };
    AUTO(message) message = message_with("qq", 0, 1);

    apply(message, &refused, &account);
    is_int(message->recipients[1].code, 550, "the recipient's SMTP code");
    is_str(message->recipients[1].enhanced, "5.1.1", "its enhanced code");
    is_str(message->recipients[1].text, "said so", "the server's words");
    is_int(message->recipients[0].code, 250, "the other one's too");
    is_str(message->last_cause, "r1@example.com: 550 said so", "the message's cause names the recipient");
    is_str(message->sender, "plant@example.com", "the sender stays");
}

/* retryFor counts from sendAt, where that was later than the post. */
/* An account that became atMostOnce while a message was uncertain: a person decides, and may say "retry". */
static void test_person(void)
{
    struct account once = { .delivery_guarantee = GUARANTEE_AT_MOST_ONCE };
    struct account least = { .delivery_guarantee = GUARANTEE_AT_LEAST_ONCE };
    static const struct { const char *recipients; bool once, least; } cases[] = {
        { "?", true, false }, { "s?f", true, false }, { "q", false, false }, { "sd", false, false },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(message) message = message_with(cases[i].recipients, 0, 1);

        ok(result_is_for_person(message, &once) == cases[i].once, "%s: atMostOnce", cases[i].recipients);
        ok(result_is_for_person(message, &least) == cases[i].least, "%s: atLeastOnce", cases[i].recipients);
    }
}

/* Paused or challenged for longer than retryFor: the first failure after it is not the last. */
static void test_kept_back(void)
{
    static const struct { const char *before; char after; } cases[] = { { NULL, 'd' }, { "cert.challenge", 'd' }, { "auth.refused", 'd' },
                                                                        { "delivery.deferred", 'f' }, { "connect.refused", 'f' } };
    static const struct row later = { "", "q", "d", SMTP_TEMPORARY, false, true, 'd', "d", '+', "delivery.deferred" };
    struct account account = { .retry_for = 3600 };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(message) message = message_with("q", 7200 * 1000, 1);

        message->last_code = mem_strdup(cases[i].before);
        apply(message, &later, &account);
        ok(letter_of(message->state) == cases[i].after, "older than retryFor, before: %s", cases[i].before ? cases[i].before : "nothing");
    }
}

/* What is not the message's fault, or the server's, costs no message and no time. */
static void test_blame(void)
{
    struct account account = { .retry_for = 0 };
    static const struct { const char *id; enum err_code code; enum smtp_outcome outcome; char state; bool at_once; } cases[] = {
        { "connect.aborted", ERR_STOPPED, SMTP_LOST, 'd', true },
        { "auth.required", ERR_REFUSED, SMTP_TEMPORARY, 'd', false },
        { "connect.closed", ERR_TEMPORARY, SMTP_LOST, 'f', false },
        { "protocol.refused", ERR_TEMPORARY, SMTP_TEMPORARY, 'f', false },
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        AUTO(message) message = message_with("q", 10 * 1000, 1);
        struct result_envelope envelope;
        struct err err;

        result_envelope_init(&envelope, message);
        err_id(&err, cases[i].code, cases[i].id, "smtp.mail", "It went wrong.");
        result_apply(message, &envelope, cases[i].outcome, &err, &account, NOW);
        result_envelope_free(&envelope);
        ok(letter_of(message->state) == cases[i].state, "retryFor 0, %s: %c", cases[i].id, cases[i].state);
        ok((message->next_attempt == NOW) == cases[i].at_once, "  tried again at once, or not");
    }
}

static void test_send_at(void)
{
    static const struct row later = { "", "q", "d", SMTP_TEMPORARY, false, false, 'd', "d", '+', NULL };
    struct account account = { .retry_for = 3600 };
    AUTO(message) message = message_with("q", 2 * 3600 * 1000, 1);

    message->send_at = NOW - 60 * 1000;
    apply(message, &later, &account);
    is_int(message->state, MESSAGE_DEFERRED, "retryFor counts from sendAt");
}

/* 30 s, doubling to an hour, 20 % either way. */
static void test_back_off(void)
{
    static const struct { int failures; int64_t seconds; } steps[] = {
        { 0, 30 }, { 1, 30 }, { 2, 60 }, { 3, 120 }, { 4, 240 }, { 5, 480 }, { 6, 960 }, { 7, 1920 }, { 8, 3600 }, { 9, 3600 },
        { 1000, 3600 }, { 2000000000, 3600 },
    };

    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        int64_t least = INT64_MAX, most = 0, wait = SECONDS(steps[i].seconds);

        for (int n = 0; n < 400; n++) {
            int64_t one = sender_back_off(steps[i].failures);

            least = one < least ? one : least;
            most = one > most ? one : most;
        }
        ok(least >= wait * 8 / 10 && most <= wait * 12 / 10, "after %d failures: %lld s, 20 %% either way (%lld to %lld ms)",
           steps[i].failures, (long long)steps[i].seconds, (long long)least, (long long)most);
        ok(least < wait * 9 / 10 && most > wait * 11 / 10, "  and spread");
    }
}

/* Receiving: only what may lock somebody out, or waits for a person, waits as long as that. */
static void test_receiver_back_off(void)
{
    static const struct { const char *id; enum err_code code; int failures; int64_t seconds; } waits[] = {
        { "auth.refused", ERR_REFUSED, 1, 30 }, { "auth.refused", ERR_REFUSED, 20, 3600 },
        { "cert.challenge", ERR_ASK, 1, 30 }, { "tls.starttlsNotOffered", ERR_REFUSED, 20, 3600 },
        { "connect.refused", ERR_TEMPORARY, 1, 2 }, { "connect.refused", ERR_TEMPORARY, 20, 300 },
        { "auth.temporary", ERR_TEMPORARY, 2, 4 }, { "config.mailbox", ERR_REFUSED, 20, 300 },
        { "config.readOnly", ERR_REFUSED, 1, 2 },
    };

    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        struct err err = { 0 };
        int64_t wait;

        err_id(&err, waits[i].code, waits[i].id, NULL, "-");
        wait = receiver_back_off(waits[i].failures, &err);
        ok(wait >= SECONDS(waits[i].seconds) * 8 / 10 && wait <= SECONDS(waits[i].seconds) * 12 / 10, "receiving, %s, %d failures: about %lld s",
           waits[i].id, waits[i].failures, (long long)waits[i].seconds);
    }
}

/* numberReceived is what a program acts upon: it must not speak of a message that a power cut could still take. */
static void test_received_once_durable(void)
{
    struct lives *lives = lives_new(NULL);
    AUTO(live) live = live_get(lives, "in");

    live_count_received(live);
    live_count_received(live);
    is_int(live_received(live), 0, "what is being written is not told as received");
    is_int(live->number_received, 2, "but goes with the transaction that writes it");
    live_received_done(live, true);
    is_int(live_received(live), 1, "it is, once it is durable");
    live_received_done(live, false);
    is_int(live_received(live), 1, "one whose commit failed never is");
    is_int(live->number_received, 1, "and the next transaction doesn't store it");
    lives_free(lives);
}

int main(void)
{
    test_apply();
    test_words();
    test_person();
    test_kept_back();
    test_blame();
    test_send_at();
    test_back_off();
    test_receiver_back_off();
    test_received_once_durable();
    return done();
}
