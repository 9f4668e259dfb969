/* SPDX-License-Identifier: Apache-2.0 */
/* server/mail/sasl_salted.h - SCRAM's salted passwords, kept: RFC 5802 5.1 lets a client do without 4096 rounds of hashing each time, and
 * polling a mailbox every minute takes most of its processor time for them otherwise. Wiped when they go. Any thread. */
#ifndef POSTERN_MAIL_SASL_SALTED_H
#define POSTERN_MAIL_SASL_SALTED_H

#define SASL_SALTED_MAX 4096 /* accounts, about; some 300 bytes each */

/* What they are made of; the strings are the caller's. */
struct sasl_salting {
    const char *mechanism;      /* static */
    const char *salt;           /* base64 */
    const char *iterations;
    const char *password;
};

/* In hex; the caller's (mem_free_secret). NULL: it isn't kept. */
char *sasl_salted_get(const struct sasl_salting *salting);
/* Only of a server that has proved itself: others choose salts as they like. */
void sasl_salted_put(const struct sasl_salting *salting, const char *hex);

#endif
