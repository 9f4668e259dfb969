/* SPDX-License-Identifier: Apache-2.0 */
#include "api/schemas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/document.h"
#include "base/mem.h"
#include "base/str.h"
#include "component/json.h"
#include "model/services.h"

/* "member:type" words; a type is s(tring) i(nteger) n(umber) b(oolean) t(ime or null) o(bject) a(rray) x (anything), or a
 * schema's name; "[]" behind it makes a list, "?" allows null. */
static const struct {
    const char *name;
    const char *members;
} shapes[] = {
    { "Problem", "type:s title:s status:i detail:s code:s requestId:s errors:Fault[]" },
    { "Fault", "pointer:s code:s detail:s" },
    { "Health", "status:s" },
    { "Change", "resource:s action:s before:x after:x properties:s[] reconnects:b" },
    { "Impact", "allowedHost:s accounts:s[] before:s after:s" },
    { "Plan", "changes:Change[] unchanged:i warnings:Fault[] impact:Impact[] planToken:s" },
    { "Status", "state:s cause:s code:s advice:s since:t" },
    { "ServiceStatus", "status:o" },
    { "Transcript", "items:s[] debug:b" },
    { "Step", "name:s ok:b ms:i detail:s code:s advice:s" },
    { "Verification", "ok:b steps:Step[] tls:x certificate:x challenge:x code:s cause:s advice:s" },
    { "ActionParameters", "" },
    { "ActionResult", "" },
    { "Certificate", "subject:s issuer:s sans:s[] serial:s notBefore:t notAfter:t keyType:s keyBits:i signatureAlgorithm:s sha256:s "
                     "spkiSha256:s isCa:b selfSigned:b constraints:s pem:s" },
    { "SystemCa", "id:s certificate:Certificate" },
    { "ImportItem", "id:s certificate:Certificate names:s[] new:b" },
    { "Import", "id:s certificate:Certificate names:s[] new:b items:ImportItem[] warnings:Fault[] changes:Change[] unchanged:i "
                "impact:Impact[]" },
    { "Decision", "sha256:s accepts:s[] expiresAt:t note:s" },
    { "Exemption", "approval:s sha256:s spkiSha256:s accepts:s[] expiresAt:t note:s" },
    { "Probe", "hostname:s port:i transport:s useSsl:b useStartTls:b verifyName:s tlsMinProtocol:s" },
    { "ProbeResult", "verdict:s acceptable:b reasons:s[] certificate:x chain:x[] tls:x steps:Step[] code:s cause:s advice:s" },
    { "NewKeyPair", "name:s keyType:s subject:s commonName:s sans:s[] days:i" },
    { "KeyPairImport", "name:s pem:s pkcs12:s passphrase:s" },
    { "KeyPairCertificate", "pem:s" },
    { "KeyPairSubject", "subject:s commonName:s sans:s[]" },
    { "KeyPairExport", "passphrase:s format:s" },
    { "CertificateRequest", "pem:s" },
    { "Attachment", "filename:s contentType:s content:s contentId:s" },
    { "NewMessage", "from:s to:s[] cc:s[] bcc:s[] replyTo:s subject:s text:s html:s headers:o attachments:Attachment[] sendAt:t" },
    { "Accepted", "id:s messageId:s state:s" },
    { "Recipient", "address:s state:s code:i? enhancedCode:s? text:s?" },
    { "MessageItem", "id:s account:s direction:s state:s from:s to:s[] subject:s date:t size:i acknowledged:b automatic:b headersOnly:b "
                     "isReport:b related:s?" },
    { "Message", "id:s account:s direction:s state:s from:s to:s[] subject:s date:t size:i messageId:s? sender:s recipients:Recipient[] "
                 "attempts:i createdAt:t createdBy:s? sendAt:t nextAttempt:t finishedAt:t lastCode:s? lastCause:s? heldByLimit:b "
                 "acknowledged:b automatic:b headersOnly:b isReport:b related:s? report:Report reports:SentReport[] cc:s[] replyTo:s? "
                 "headers:Header[] text:s? html:s? attachments:AttachmentItem[] partial:b" },
    { "Header", "name:s value:s" },
    { "AttachmentItem", "index:i filename:s? contentType:s contentId:s? size:i" },
    { "ReportedRecipient", "address:s originalAddress:s? action:s status:s? diagnostic:s? remoteMta:s?" },
    { "Report", "recipients:ReportedRecipient[] messageIds:s[] envelopeId:s? reportingMta:s?" },
    { "SentReport", "id:s account:s date:t from:s recipients:ReportedRecipient[]" },
    { "Acknowledgement", "ids:s[] account:s before:t" },
    { "Acknowledged", "acknowledged:i unknown:s[]" },
    { "TreeNode", "name:s type:s path:s state:s cause:s code:s advice:s since:t accounts:o challenges:i "
                  "children:TreeNode[]" },
    { "TypeItem", "name:s description:s schema:s" },
    { "Schema", "" },
    { "Provider", "id:s name:s type:s host:s transport:s port:i security:s authenticator:s" },
    { "Login", "username:s password:s" },
    { "Session", "username:s role:s csrfToken:s? mustChangePassword:b expiresAt:t idleTimeout:i" },
    { "PasswordChange", "old:s new:s" },
    { "NewToken", "name:s role:s expiresAt:t accounts:s[]" },
    { "Token", "id:s name:s role:s accounts:s[] expiresAt:t createdBy:s createdAt:t lastUsed:t token:s etag:s" },
    { "Event", "id:i at:t type:s account:s? resource:s? data:x" },
    { "EventType", "name:s description:s role:s" },
    { "WebhookTest", "ok:b status:i ms:i code:s cause:s delivery:s" },
    { "Delivery", "id:s event:i type:s state:s attempts:i createdAt:t lastAttempt:t nextAttempt:t finishedAt:t status:i ms:i code:s? "
                  "cause:s? body:x" },
    { "AuditEntry", "id:i at:t user:s address:s? action:s resource:s detail:x" },
};

/* What the API says of a component, or takes, beside its properties. "!" in front: taken and never told. */
static const char *const extras[][2] = {
    { "OutgoingAccount", "etag:s warnings:Fault[]" }, { "IncomingAccount", "etag:s warnings:Fault[]" },
    { "EmailService", "etag:s warnings:Fault[]" }, { "CertificateService", "etag:s warnings:Fault[]" },
    { "WebService", "etag:s warnings:Fault[]" }, { "UserService", "etag:s warnings:Fault[]" },
    { "AllowedHost", "id:s etag:s acceptable:b" }, { "UserCa", "id:s etag:s" }, { "KeyPair", "id:s etag:s usedBy:s[] daysLeft:i? warnings:Fault[]" },
    { "User", "etag:s !password:s" }, { "Webhook", "etag:s" },
};

/* Names that stand for others, and lists. */
static const char *const aliases[][2] = {
    { "AccountPatch", "Account" }, { "ServicePatch", "Service" }, { "Tree", "TreeNode" }, { "UserCaPatch", "UserCa" },
    { "UserPatch", "User" }, { "WebhookPatch", "Webhook" },
};
static const char *const unions[][6] = {
    { "Account", "OutgoingAccount", "IncomingAccount" },
    { "Service", "EmailService", "CertificateService", "WebService", "UserService" },
};
static const char *const lists[][2] = {
    { "AccountList", "Account" }, { "MessageList", "MessageItem" }, { "AllowedHostList", "AllowedHost" }, { "UserCaList", "UserCa" },
    { "CertificateList", "SystemCa" }, { "TypeList", "TypeItem" }, { "ProviderList", "Provider" }, { "ServiceList", "Service" },
    { "KeyPairList", "KeyPair" }, { "UserList", "User" }, { "TokenList", "Token" }, { "AuditList", "AuditEntry" },
    { "EventList", "Event" }, { "EventTypeList", "EventType" },
    { "WebhookList", "Webhook" }, { "DeliveryList", "Delivery" },
};

static json_t *ref(const char *name)
{
    return json_pack("{s:o}", "$ref", json_sprintf("#/components/schemas/%s", name));
}

static json_t *one_type(const char *name)
{
    static const char *const letters = "sinboa";
    static const char *const words[] = { "string", "integer", "number", "boolean", "object", "array" };
    const char *at = strlen(name) == 1 ? strchr(letters, name[0]) : NULL;

    if (at)
        return json_pack("{s:s}", "type", words[at - letters]);
    if (strcmp(name, "t") == 0)
        return json_pack("{s:[s, s], s:s}", "type", "string", "null", "format", "date-time");
    return strcmp(name, "x") == 0 ? json_object() : ref(name);
}

static json_t *member_type(struct str word)
{
    bool list = str_ends_nocase(word, STR("[]")), nullable = str_ends_nocase(word, STR("?"));
    AUTO_FREE char *name = mem_strndup(word.p, word.len - (list ? 2 : nullable ? 1 : 0));
    json_t *type = one_type(name);

    if (nullable)
        json_object_set_new(type, "type", json_pack("[O, s]", json_object_get(type, "type"), "null"));
    return list ? json_pack("{s:s, s:o}", "type", "array", "items", type) : type;
}

static json_t *shape(const char *members)
{
    json_t *properties = json_object();
    struct str rest = str_c(members), word;

    while (*members && str_split(&rest, ' ', &word)) {
        struct str name;

        str_split(&word, ':', &name);
        AUTO_FREE char *key = str_dup(name);

        json_object_set_new(properties, key, member_type(word));
    }
    return json_pack("{s:s, s:o}", "type", "object", "properties", properties);
}

static json_t *list_of(const char *name)
{
    return json_pack("{s:s, s:{s:{s:s, s:o}, s:{s:[s, s]}}, s:[s, s]}", "type", "object", "properties", "items", "type", "array",
                     "items", ref(name), "next", "type", "string", "null", "required", "items", "next");
}

static json_t *any_of(const char *const *names)
{
    json_t *list = json_array();

    for (; *names; names++)
        json_array_append_new(list, ref(*names));
    return json_pack("{s:o}", "anyOf", list);
}

static void add_extras(json_t *properties, const char *members)
{
    struct str rest = str_c(members), word;

    while (str_split(&rest, ' ', &word)) {
        bool taken = word.p[0] == '!';
        struct str name;
        json_t *type;

        word = str_from(word, taken);
        str_split(&word, ':', &name);
        AUTO_FREE char *key = str_dup(name);

        type = member_type(word);
        json_object_set_new(type, taken ? "writeOnly" : "readOnly", json_true());
        json_object_set_new(properties, key, type);
    }
}

/* What both kinds of account tell beside their configuration. */
static json_t *status_of(const json_t *all)
{
    static const char *const kinds[] = { "OutgoingAccount", "IncomingAccount" };
    json_t *properties = json_object(), *value;
    const char *name;

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        json_object_foreach(json_object_get(json_object_get(all, kinds[i]), "properties"), name, value)
            if (json_is_true(json_object_get(value, "readOnly")) && strcmp(name, "etag") != 0 && strcmp(name, "warnings") != 0)
                json_object_set(properties, name, value);
    json_object_set_new(properties, "status", ref("Status"));
    add_extras(properties, "clientSecretExpires:t clientSecretDays:i clientSecretAdvice:s");
    return json_pack("{s:s, s:o}", "type", "object", "properties", properties);
}

/* In a larger document it has no address of its own. */
static json_t *config_schema(void)
{
    json_t *schema = document_schema();

    json_object_del(schema, "$schema");
    json_object_del(schema, "$id");
    return schema;
}

void schemas_add_components(json_t *all)
{
    for (const struct component_type *const *type = model_types; *type; type++) {
        json_t *schema;

        if (json_object_get(all, (*type)->name))        /* told in another shape */
            continue;
        schema = component_schema(*type);
        json_object_del(schema, "$schema");
        for (size_t i = 0; i < COUNT_OF(extras); i++)
            if (strcmp(extras[i][0], (*type)->name) == 0)
                add_extras(json_object_get(schema, "properties"), extras[i][1]);
        json_object_set_new(all, (*type)->name, schema);
    }
    json_object_set_new(all, "Config", config_schema());
    json_object_set_new(all, "AccountStatus", status_of(all));
}

json_t *schemas_json(void)
{
    json_t *all = json_object();

    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        json_object_set_new(all, shapes[i].name, shape(shapes[i].members));
    for (size_t i = 0; i < COUNT_OF(aliases); i++)
        json_object_set_new(all, aliases[i][0], ref(aliases[i][1]));
    for (size_t i = 0; i < COUNT_OF(unions); i++)
        json_object_set_new(all, unions[i][0], any_of(unions[i] + 1));
    for (size_t i = 0; i < COUNT_OF(lists); i++)
        json_object_set_new(all, lists[i][0], list_of(lists[i][1]));
    return all;
}
