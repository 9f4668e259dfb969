// SPDX-License-Identifier: Apache-2.0
// Made by types.mjs from the server's OpenAPI document: npm run types. Not to be changed by hand.
export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        Problem: {
            type?: string;
            title?: string;
            status?: number;
            detail?: string;
            code?: string;
            requestId?: string;
            errors?: components["schemas"]["Fault"][];
        };
        Fault: {
            pointer?: string;
            code?: string;
            detail?: string;
        };
        Health: {
            status?: string;
        };
        Change: {
            resource?: string;
            action?: string;
            before?: unknown;
            after?: unknown;
            properties?: string[];
            reconnects?: boolean;
        };
        Impact: {
            allowedHost?: string;
            accounts?: string[];
            before?: string;
            after?: string;
        };
        Plan: {
            changes?: components["schemas"]["Change"][];
            unchanged?: number;
            warnings?: components["schemas"]["Fault"][];
            impact?: components["schemas"]["Impact"][];
            planToken?: string;
        };
        Status: {
            state?: string;
            cause?: string;
            code?: string;
            advice?: string;
            since?: string | null;
        };
        ServiceStatus: {
            status?: Record<string, never>;
        };
        Transcript: {
            items?: string[];
            debug?: boolean;
        };
        Step: {
            name?: string;
            ok?: boolean;
            ms?: number;
            detail?: string;
            code?: string;
            advice?: string;
        };
        Verification: {
            ok?: boolean;
            steps?: components["schemas"]["Step"][];
            tls?: unknown;
            certificate?: unknown;
            challenge?: unknown;
            code?: string;
            cause?: string;
            advice?: string;
        };
        ActionParameters: Record<string, never>;
        ActionResult: Record<string, never>;
        Certificate: {
            subject?: string;
            issuer?: string;
            sans?: string[];
            serial?: string;
            notBefore?: string | null;
            notAfter?: string | null;
            keyType?: string;
            keyBits?: number;
            signatureAlgorithm?: string;
            sha256?: string;
            spkiSha256?: string;
            isCa?: boolean;
            selfSigned?: boolean;
            constraints?: string;
            pem?: string;
        };
        SystemCa: {
            id?: string;
            certificate?: components["schemas"]["Certificate"];
        };
        ImportItem: {
            id?: string;
            certificate?: components["schemas"]["Certificate"];
            names?: string[];
            new?: boolean;
        };
        Import: {
            id?: string;
            certificate?: components["schemas"]["Certificate"];
            names?: string[];
            new?: boolean;
            items?: components["schemas"]["ImportItem"][];
            warnings?: components["schemas"]["Fault"][];
            changes?: components["schemas"]["Change"][];
            unchanged?: number;
            impact?: components["schemas"]["Impact"][];
        };
        Decision: {
            sha256?: string;
            accepts?: string[];
            expiresAt?: string | null;
            note?: string;
        };
        Exemption: {
            approval?: string;
            sha256?: string;
            spkiSha256?: string;
            accepts?: string[];
            expiresAt?: string | null;
            note?: string;
        };
        Probe: {
            hostname?: string;
            port?: number;
            transport?: string;
            useSsl?: boolean;
            useStartTls?: boolean;
            verifyName?: string;
            tlsMinProtocol?: string;
        };
        ProbeResult: {
            verdict?: string;
            acceptable?: boolean;
            reasons?: string[];
            certificate?: unknown;
            chain?: unknown[];
            tls?: unknown;
            steps?: components["schemas"]["Step"][];
            code?: string;
            cause?: string;
            advice?: string;
        };
        NewKeyPair: {
            name?: string;
            keyType?: string;
            subject?: string;
            commonName?: string;
            sans?: string[];
            days?: number;
        };
        KeyPairImport: {
            name?: string;
            pem?: string;
            pkcs12?: string;
            passphrase?: string;
        };
        KeyPairCertificate: {
            pem?: string;
        };
        KeyPairSubject: {
            subject?: string;
            commonName?: string;
            sans?: string[];
        };
        KeyPairExport: {
            passphrase?: string;
            format?: string;
        };
        CertificateRequest: {
            pem?: string;
        };
        Attachment: {
            filename?: string;
            contentType?: string;
            content?: string;
            contentId?: string;
        };
        NewMessage: {
            from?: string;
            to?: string[];
            cc?: string[];
            bcc?: string[];
            replyTo?: string;
            subject?: string;
            text?: string;
            html?: string;
            headers?: Record<string, never>;
            attachments?: components["schemas"]["Attachment"][];
            sendAt?: string | null;
        };
        Accepted: {
            id?: string;
            messageId?: string;
            state?: string;
        };
        Recipient: {
            address?: string;
            state?: string;
            code?: number | null;
            enhancedCode?: string | null;
            text?: string | null;
        };
        MessageItem: {
            id?: string;
            account?: string;
            direction?: string;
            state?: string;
            from?: string;
            to?: string[];
            subject?: string;
            date?: string | null;
            size?: number;
            acknowledged?: boolean;
            automatic?: boolean;
            headersOnly?: boolean;
            isReport?: boolean;
            related?: string | null;
        };
        Message: {
            id?: string;
            account?: string;
            direction?: string;
            state?: string;
            from?: string;
            to?: string[];
            subject?: string;
            date?: string | null;
            size?: number;
            messageId?: string | null;
            sender?: string;
            recipients?: components["schemas"]["Recipient"][];
            attempts?: number;
            createdAt?: string | null;
            createdBy?: string | null;
            sendAt?: string | null;
            nextAttempt?: string | null;
            finishedAt?: string | null;
            lastCode?: string | null;
            lastCause?: string | null;
            heldByLimit?: boolean;
            acknowledged?: boolean;
            automatic?: boolean;
            headersOnly?: boolean;
            isReport?: boolean;
            related?: string | null;
            report?: components["schemas"]["Report"];
            reports?: components["schemas"]["SentReport"][];
            cc?: string[];
            replyTo?: string | null;
            headers?: components["schemas"]["Header"][];
            text?: string | null;
            html?: string | null;
            attachments?: components["schemas"]["AttachmentItem"][];
            partial?: boolean;
        };
        Header: {
            name?: string;
            value?: string;
        };
        AttachmentItem: {
            index?: number;
            filename?: string | null;
            contentType?: string;
            contentId?: string | null;
            size?: number;
        };
        ReportedRecipient: {
            address?: string;
            originalAddress?: string | null;
            action?: string;
            status?: string | null;
            diagnostic?: string | null;
            remoteMta?: string | null;
        };
        Report: {
            recipients?: components["schemas"]["ReportedRecipient"][];
            messageIds?: string[];
            envelopeId?: string | null;
            reportingMta?: string | null;
        };
        SentReport: {
            id?: string;
            account?: string;
            date?: string | null;
            from?: string;
            recipients?: components["schemas"]["ReportedRecipient"][];
        };
        Acknowledgement: {
            ids?: string[];
            account?: string;
            before?: string | null;
        };
        Acknowledged: {
            acknowledged?: number;
            unknown?: string[];
        };
        TreeNode: {
            name?: string;
            type?: string;
            path?: string;
            state?: string;
            cause?: string;
            code?: string;
            advice?: string;
            since?: string | null;
            accounts?: Record<string, never>;
            challenges?: number;
            children?: components["schemas"]["TreeNode"][];
        };
        TypeItem: {
            name?: string;
            description?: string;
            schema?: string;
        };
        Schema: Record<string, never>;
        Provider: {
            id?: string;
            name?: string;
            type?: string;
            host?: string;
            transport?: string;
            port?: number;
            security?: string;
            authenticator?: string;
        };
        Login: {
            username?: string;
            password?: string;
        };
        Session: {
            username?: string;
            role?: string;
            csrfToken?: string | null;
            mustChangePassword?: boolean;
            expiresAt?: string | null;
            idleTimeout?: number;
        };
        PasswordChange: {
            old?: string;
            new?: string;
        };
        NewToken: {
            name?: string;
            role?: string;
            expiresAt?: string | null;
            accounts?: string[];
        };
        Token: {
            id?: string;
            name?: string;
            role?: string;
            accounts?: string[];
            expiresAt?: string | null;
            createdBy?: string;
            createdAt?: string | null;
            lastUsed?: string | null;
            token?: string;
            etag?: string;
        };
        Event: {
            id?: number;
            at?: string | null;
            /**
             * @example account.changed
             * @example account.created
             * @example account.deleted
             * @example account.renamed
             * @example account.secretExpires
             * @example account.status
             * @example certificate.approved
             * @example certificate.challenge
             * @example certificate.changed
             * @example certificate.forgotten
             * @example certificate.redundant
             * @example certificate.rejected
             * @example config.applied
             * @example events.gap
             * @example events.lost
             * @example keyPair.changed
             * @example keyPair.created
             * @example keyPair.deleted
             * @example mailbox.changed
             * @example mailbox.messageSkipped
             * @example mailbox.messagesLeft
             * @example mailbox.uidValidityChanged
             * @example message.acknowledged
             * @example message.bounced
             * @example message.canceled
             * @example message.deferred
             * @example message.failed
             * @example message.held
             * @example message.queued
             * @example message.received
             * @example message.sent
             * @example message.uncertain
             * @example service.changed
             * @example token.created
             * @example token.deleted
             * @example user.changed
             * @example user.created
             * @example user.deleted
             * @example userCa.changed
             * @example userCa.created
             * @example userCa.deleted
             * @example webhook.changed
             * @example webhook.created
             * @example webhook.deleted
             * @example webhook.disabled
             * @example webhook.failed
             * @example webhook.test
             */
            type?: string;
            account?: string | null;
            resource?: string | null;
            data?: unknown;
        };
        EventType: {
            name?: string;
            description?: string;
            role?: string;
        };
        WebhookTest: {
            ok?: boolean;
            status?: number;
            ms?: number;
            code?: string;
            cause?: string;
            delivery?: string;
        };
        Delivery: {
            id?: string;
            event?: number;
            type?: string;
            state?: string;
            attempts?: number;
            createdAt?: string | null;
            lastAttempt?: string | null;
            nextAttempt?: string | null;
            finishedAt?: string | null;
            status?: number;
            ms?: number;
            code?: string | null;
            cause?: string | null;
            body?: unknown;
        };
        AuditEntry: {
            id?: number;
            at?: string | null;
            user?: string;
            address?: string | null;
            action?: string;
            resource?: string;
            detail?: unknown;
        };
        AccountPatch: components["schemas"]["Account"];
        ServicePatch: components["schemas"]["Service"];
        Tree: components["schemas"]["TreeNode"];
        UserCaPatch: components["schemas"]["UserCa"];
        UserPatch: components["schemas"]["User"];
        WebhookPatch: components["schemas"]["Webhook"];
        Account: components["schemas"]["OutgoingAccount"] | components["schemas"]["IncomingAccount"];
        Service: components["schemas"]["EmailService"] | components["schemas"]["CertificateService"] | components["schemas"]["WebService"] | components["schemas"]["UserService"];
        AccountList: {
            items: components["schemas"]["Account"][];
            next: string | null;
        };
        MessageList: {
            items: components["schemas"]["MessageItem"][];
            next: string | null;
        };
        AllowedHostList: {
            items: components["schemas"]["AllowedHost"][];
            next: string | null;
        };
        UserCaList: {
            items: components["schemas"]["UserCa"][];
            next: string | null;
        };
        CertificateList: {
            items: components["schemas"]["SystemCa"][];
            next: string | null;
        };
        TypeList: {
            items: components["schemas"]["TypeItem"][];
            next: string | null;
        };
        ProviderList: {
            items: components["schemas"]["Provider"][];
            next: string | null;
        };
        ServiceList: {
            items: components["schemas"]["Service"][];
            next: string | null;
        };
        KeyPairList: {
            items: components["schemas"]["KeyPair"][];
            next: string | null;
        };
        UserList: {
            items: components["schemas"]["User"][];
            next: string | null;
        };
        TokenList: {
            items: components["schemas"]["Token"][];
            next: string | null;
        };
        AuditList: {
            items: components["schemas"]["AuditEntry"][];
            next: string | null;
        };
        EventList: {
            items: components["schemas"]["Event"][];
            next: string | null;
        };
        EventTypeList: {
            items: components["schemas"]["EventType"][];
            next: string | null;
        };
        WebhookList: {
            items: components["schemas"]["Webhook"][];
            next: string | null;
        };
        DeliveryList: {
            items: components["schemas"]["Delivery"][];
            next: string | null;
        };
        OutgoingAccount: {
            enabled?: boolean;
            description?: string;
            hostname?: string;
            /** @enum {string} */
            transport?: "smtp";
            useSsl?: boolean;
            useStartTls?: boolean;
            port?: number;
            /** @enum {string} */
            tlsMinProtocol?: "tlsv1.0" | "tlsv1.1" | "tlsv1.2" | "tlsv1.3";
            verifyName?: string;
            /** @enum {string} */
            trustStores?: "systemAndUser" | "user" | "system";
            connectionTimeout?: number;
            /**
             * @default {
             *       "type": "basic"
             *     }
             */
            emailAuthenticator: {
                username?: string;
                password?: string | {
                    $file: string;
                };
                passwordSet?: boolean;
                /** @enum {string} */
                mechanism?: "auto" | "SCRAM-SHA-256-PLUS" | "SCRAM-SHA-256" | "SCRAM-SHA-1-PLUS" | "SCRAM-SHA-1" | "PLAIN" | "LOGIN" | "CRAM-MD5";
                /** @constant */
                type: "basic";
            } | {
                /** @enum {string} */
                provider?: "microsoft365" | "gmail" | "custom";
                /** @enum {string} */
                grant?: "clientCredentials" | "authorizationCode" | "deviceCode";
                username?: string;
                tenant?: string;
                clientId?: string;
                clientSecret?: string | {
                    $file: string;
                };
                clientSecretSet?: boolean;
                /** @default null */
                clientSecretExpires: string | null;
                scope?: string;
                metadataUrl?: string;
                /** @constant */
                type: "oauth2";
            } | {
                /** @constant */
                type: "none";
            };
            allowCleartextAuth?: boolean;
            from?: string;
            replyTo?: string;
            batch?: boolean;
            pollrate?: number;
            /** @enum {string} */
            deliveryGuarantee?: "atLeastOnce" | "atMostOnce";
            retryFor?: number;
            maxQueueSize?: number;
            maxMessageSize?: number;
            maxSendablePerDay?: number;
            maxConnections?: number;
            allowDisabledQueuing?: boolean;
            retention?: number;
            debug?: boolean;
            readonly status?: Record<string, never> | unknown[] | null;
            readonly lastPollSuccess?: string | null;
            readonly lastPollFailure?: string | null;
            readonly lastPollFailureCause?: string;
            readonly lastTls?: Record<string, never> | unknown[] | null;
            readonly paused?: boolean;
            readonly queueSize?: number;
            readonly numberSent?: number;
            readonly numberSentUntil?: string | null;
            readonly numberDiscarded?: number;
            readonly lastDiscard?: string | null;
            readonly lastDiscardCause?: string;
            name?: string;
            /** @constant */
            type?: "OutgoingAccount";
            readonly etag?: string;
            readonly warnings?: components["schemas"]["Fault"][];
        };
        IncomingAccount: {
            enabled?: boolean;
            description?: string;
            hostname?: string;
            /** @enum {string} */
            transport?: "imap" | "pop3";
            useSsl?: boolean;
            useStartTls?: boolean;
            port?: number;
            /** @enum {string} */
            tlsMinProtocol?: "tlsv1.0" | "tlsv1.1" | "tlsv1.2" | "tlsv1.3";
            verifyName?: string;
            /** @enum {string} */
            trustStores?: "systemAndUser" | "user" | "system";
            connectionTimeout?: number;
            /**
             * @default {
             *       "type": "basic"
             *     }
             */
            emailAuthenticator: {
                username?: string;
                password?: string | {
                    $file: string;
                };
                passwordSet?: boolean;
                /** @enum {string} */
                mechanism?: "auto" | "SCRAM-SHA-256-PLUS" | "SCRAM-SHA-256" | "SCRAM-SHA-1-PLUS" | "SCRAM-SHA-1" | "PLAIN" | "LOGIN" | "CRAM-MD5";
                /** @constant */
                type: "basic";
            } | {
                /** @enum {string} */
                provider?: "microsoft365" | "gmail" | "custom";
                /** @enum {string} */
                grant?: "clientCredentials" | "authorizationCode" | "deviceCode";
                username?: string;
                tenant?: string;
                clientId?: string;
                clientSecret?: string | {
                    $file: string;
                };
                clientSecretSet?: boolean;
                /** @default null */
                clientSecretExpires: string | null;
                scope?: string;
                metadataUrl?: string;
                /** @constant */
                type: "oauth2";
            };
            allowCleartextAuth?: boolean;
            mailbox?: string;
            push?: boolean;
            pollrate?: number;
            /** @enum {string} */
            deliveryPolicy?: "markAsRead" | "markAsUnread" | "delete";
            ignoreAttachments?: boolean;
            maxPerPoll?: number;
            maxMessageSize?: number;
            retention?: number;
            debug?: boolean;
            readonly status?: Record<string, never> | unknown[] | null;
            readonly lastPollSuccess?: string | null;
            readonly lastPollFailure?: string | null;
            readonly lastPollFailureCause?: string;
            readonly lastTls?: Record<string, never> | unknown[] | null;
            readonly numberReceived?: number;
            readonly unacknowledged?: number;
            name?: string;
            /** @constant */
            type?: "IncomingAccount";
            readonly etag?: string;
            readonly warnings?: components["schemas"]["Fault"][];
        };
        EmailService: {
            enabled?: boolean;
            defaultOutgoingAccount?: string;
            readonly status?: Record<string, never> | unknown[] | null;
            name?: string;
            /** @constant */
            type?: "EmailService";
            readonly etag?: string;
            readonly warnings?: components["schemas"]["Fault"][];
        };
        CertificateService: {
            systemTrustStore?: string;
            exemptionDaysMax?: number;
            name?: string;
            /** @constant */
            type?: "CertificateService";
            readonly etag?: string;
            readonly warnings?: components["schemas"]["Fault"][];
        };
        WebService: {
            /** @default [] */
            allowedHosts: string[];
            httpsKey?: string;
            sessionIdle?: number;
            sessionLifetime?: number;
            /** @default [] */
            webhookPrivateTargets: string[];
            name?: string;
            /** @constant */
            type?: "WebService";
            readonly etag?: string;
            readonly warnings?: components["schemas"]["Fault"][];
        };
        UserService: {
            minPasswordLength?: number;
            failuresBeforeLockout?: number;
            lockout?: number;
            name?: string;
            /** @constant */
            type?: "UserService";
            readonly etag?: string;
            readonly warnings?: components["schemas"]["Fault"][];
        };
        AllowedHost: {
            readonly hostname?: string;
            readonly port?: number;
            /** @enum {string} */
            readonly approval?: "pending" | "approved" | "rejected" | "changed";
            /** @default [] */
            reasons: string[];
            /** @default [] */
            accepts: string[];
            readonly certificate?: Record<string, never> | unknown[] | null;
            readonly chain?: Record<string, never> | unknown[] | null;
            readonly previous?: Record<string, never> | unknown[] | null;
            approvedSha256?: string;
            readonly approvedSpkiSha256?: string;
            readonly accounts?: string[];
            /** @default null */
            firstSeen: string | null;
            readonly lastSeen?: string | null;
            readonly count?: number;
            readonly lastUsed?: string | null;
            /** @default null */
            expiresAt: string | null;
            note?: string;
            readonly approvedBy?: string;
            readonly approvedAt?: string | null;
            readonly redundant?: boolean;
            name?: string;
            /** @constant */
            type?: "AllowedHost";
            readonly id?: string;
            readonly etag?: string;
            readonly acceptable?: boolean;
        };
        UserCa: {
            readonly certificate?: Record<string, never> | unknown[] | null;
            /** @default [] */
            names: string[];
            readonly addedBy?: string;
            readonly addedAt?: string | null;
            name?: string;
            /** @constant */
            type?: "UserCa";
            readonly id?: string;
            readonly etag?: string;
        };
        KeyPair: {
            readonly certificate?: Record<string, never> | unknown[] | null;
            chain?: string;
            readonly privateKey?: string | {
                $file: string;
            };
            privateKeySet?: boolean;
            readonly createdAt?: string | null;
            name?: string;
            /** @constant */
            type?: "KeyPair";
            readonly id?: string;
            readonly etag?: string;
            readonly usedBy?: string[];
            readonly daysLeft?: number | null;
            readonly warnings?: components["schemas"]["Fault"][];
        };
        User: {
            /** @enum {string} */
            role?: "viewer" | "operator" | "admin";
            description?: string;
            readonly mustChangePassword?: boolean;
            readonly createdAt?: string | null;
            readonly lastLogin?: string | null;
            readonly passwordChangedAt?: string | null;
            name?: string;
            /** @constant */
            type?: "User";
            readonly etag?: string;
            password?: string;
        };
        Webhook: {
            enabled?: boolean;
            description?: string;
            url?: string;
            secret?: string | {
                $file: string;
            };
            secretSet?: boolean;
            /** @default [] */
            events: string[];
            /** @default [] */
            accounts: string[];
            readonly status?: Record<string, never> | unknown[] | null;
            name?: string;
            /** @constant */
            type?: "Webhook";
            readonly etag?: string;
        };
        Config: {
            accounts?: ({
                enabled?: boolean;
                description?: string;
                hostname?: string;
                /** @enum {string} */
                transport?: "smtp";
                useSsl?: boolean;
                useStartTls?: boolean;
                port?: number;
                /** @enum {string} */
                tlsMinProtocol?: "tlsv1.0" | "tlsv1.1" | "tlsv1.2" | "tlsv1.3";
                verifyName?: string;
                /** @enum {string} */
                trustStores?: "systemAndUser" | "user" | "system";
                connectionTimeout?: number;
                /**
                 * @default {
                 *       "type": "basic"
                 *     }
                 */
                emailAuthenticator: {
                    username?: string;
                    password?: string | {
                        $file: string;
                    };
                    passwordSet?: boolean;
                    /** @enum {string} */
                    mechanism?: "auto" | "SCRAM-SHA-256-PLUS" | "SCRAM-SHA-256" | "SCRAM-SHA-1-PLUS" | "SCRAM-SHA-1" | "PLAIN" | "LOGIN" | "CRAM-MD5";
                    /** @constant */
                    type: "basic";
                } | {
                    /** @enum {string} */
                    provider?: "microsoft365" | "gmail" | "custom";
                    /** @enum {string} */
                    grant?: "clientCredentials" | "authorizationCode" | "deviceCode";
                    username?: string;
                    tenant?: string;
                    clientId?: string;
                    clientSecret?: string | {
                        $file: string;
                    };
                    clientSecretSet?: boolean;
                    /** @default null */
                    clientSecretExpires: string | null;
                    scope?: string;
                    metadataUrl?: string;
                    /** @constant */
                    type: "oauth2";
                } | {
                    /** @constant */
                    type: "none";
                };
                allowCleartextAuth?: boolean;
                from?: string;
                replyTo?: string;
                batch?: boolean;
                pollrate?: number;
                /** @enum {string} */
                deliveryGuarantee?: "atLeastOnce" | "atMostOnce";
                retryFor?: number;
                maxQueueSize?: number;
                maxMessageSize?: number;
                maxSendablePerDay?: number;
                maxConnections?: number;
                allowDisabledQueuing?: boolean;
                retention?: number;
                debug?: boolean;
                name: string;
                /** @constant */
                type: "OutgoingAccount";
            } | {
                enabled?: boolean;
                description?: string;
                hostname?: string;
                /** @enum {string} */
                transport?: "imap" | "pop3";
                useSsl?: boolean;
                useStartTls?: boolean;
                port?: number;
                /** @enum {string} */
                tlsMinProtocol?: "tlsv1.0" | "tlsv1.1" | "tlsv1.2" | "tlsv1.3";
                verifyName?: string;
                /** @enum {string} */
                trustStores?: "systemAndUser" | "user" | "system";
                connectionTimeout?: number;
                /**
                 * @default {
                 *       "type": "basic"
                 *     }
                 */
                emailAuthenticator: {
                    username?: string;
                    password?: string | {
                        $file: string;
                    };
                    passwordSet?: boolean;
                    /** @enum {string} */
                    mechanism?: "auto" | "SCRAM-SHA-256-PLUS" | "SCRAM-SHA-256" | "SCRAM-SHA-1-PLUS" | "SCRAM-SHA-1" | "PLAIN" | "LOGIN" | "CRAM-MD5";
                    /** @constant */
                    type: "basic";
                } | {
                    /** @enum {string} */
                    provider?: "microsoft365" | "gmail" | "custom";
                    /** @enum {string} */
                    grant?: "clientCredentials" | "authorizationCode" | "deviceCode";
                    username?: string;
                    tenant?: string;
                    clientId?: string;
                    clientSecret?: string | {
                        $file: string;
                    };
                    clientSecretSet?: boolean;
                    /** @default null */
                    clientSecretExpires: string | null;
                    scope?: string;
                    metadataUrl?: string;
                    /** @constant */
                    type: "oauth2";
                };
                allowCleartextAuth?: boolean;
                mailbox?: string;
                push?: boolean;
                pollrate?: number;
                /** @enum {string} */
                deliveryPolicy?: "markAsRead" | "markAsUnread" | "delete";
                ignoreAttachments?: boolean;
                maxPerPoll?: number;
                maxMessageSize?: number;
                retention?: number;
                debug?: boolean;
                name: string;
                /** @constant */
                type: "IncomingAccount";
            })[];
            allowedHosts?: {
                id: string;
                /** @enum {unknown} */
                approval: "approved" | "rejected";
                accepts?: string[];
                expiresAt?: string | null;
                note?: string;
                sha256?: string;
                spkiSha256?: string;
                hostname?: string;
                port?: unknown;
            }[];
            services?: ({
                enabled?: boolean;
                defaultOutgoingAccount?: string;
                /** @constant */
                name: "EmailService";
                /** @constant */
                type: "EmailService";
            } | {
                systemTrustStore?: string;
                exemptionDaysMax?: number;
                /** @constant */
                name: "CertificateService";
                /** @constant */
                type: "CertificateService";
            } | {
                /** @default [] */
                allowedHosts: string[];
                httpsKey?: string;
                sessionIdle?: number;
                sessionLifetime?: number;
                /** @default [] */
                webhookPrivateTargets: string[];
                /** @constant */
                name: "WebService";
                /** @constant */
                type: "WebService";
            } | {
                minPasswordLength?: number;
                failuresBeforeLockout?: number;
                lockout?: number;
                /** @constant */
                name: "UserService";
                /** @constant */
                type: "UserService";
            })[];
            userCas?: {
                id: string;
                names?: string[];
                certificate?: string;
            }[];
            users?: {
                /** @enum {string} */
                role?: "viewer" | "operator" | "admin";
                description?: string;
                name: string;
                /** @constant */
                type?: "User";
                password?: string | {
                    $file: string;
                };
            }[];
            webhooks?: {
                enabled?: boolean;
                description?: string;
                url?: string;
                secret?: string | {
                    $file: string;
                };
                secretSet?: boolean;
                /** @default [] */
                events: string[];
                /** @default [] */
                accounts: string[];
                name: string;
                /** @constant */
                type?: "Webhook";
            }[];
        };
        AccountStatus: {
            status?: components["schemas"]["Status"];
            readonly lastPollSuccess?: string | null;
            readonly lastPollFailure?: string | null;
            readonly lastPollFailureCause?: string;
            readonly lastTls?: Record<string, never> | unknown[] | null;
            readonly paused?: boolean;
            readonly queueSize?: number;
            readonly numberSent?: number;
            readonly numberSentUntil?: string | null;
            readonly numberDiscarded?: number;
            readonly lastDiscard?: string | null;
            readonly lastDiscardCause?: string;
            readonly numberReceived?: number;
            readonly unacknowledged?: number;
            readonly clientSecretExpires?: string | null;
            readonly clientSecretDays?: number;
            readonly clientSecretAdvice?: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
