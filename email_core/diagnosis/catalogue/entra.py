"""The token endpoint of Microsoft Entra ID, for every provider that signs in with a token (facts/graph.md)."""

from email_core.diagnosis.model import Category, Match, Retry, Section, entry

_WHERE = "Microsoft Entra admin centre > App registrations > your app"

SECTION = Section(
    title="Tokens of Microsoft Entra ID",
    entries=(
        entry(
            "entra-secret-wrong",
            Category.CREDENTIALS,
            Retry.NO,
            "The client secret is wrong",
            "Entra does not know it for this application. Often the secret's id was copied in the place of its value, "
            "or the secret belongs to another application.",
            f"{_WHERE} > Certificates & secrets: make a new client secret, copy its Value and enter it: "
            "`PUT /api/secrets/graph-client-secret` (Graph) or `PUT /api/secrets/smtp-client-secret` (SMTP).",
            Match(names=("AADSTS7000215", "AADSTS50012", "AADSTS7000216", "AADSTS7000218")),
            Match(text=(r"invalid client secret",)),
        ),
        entry(
            "entra-secret-expired",
            Category.CREDENTIALS,
            Retry.NO,
            "The client secret has expired",
            "Client secrets live two years at most.",
            f"{_WHERE} > Certificates & secrets: make a new client secret, copy its Value and enter it: "
            "`PUT /api/secrets/graph-client-secret` (Graph) or `PUT /api/secrets/smtp-client-secret` (SMTP). A "
            "managed identity or a federated credential needs no secret at all.",
            Match(names=("AADSTS7000222",)),
            Match(text=(r"client secret keys? .*expired|client secret (?:is|has) expired",)),
        ),
        entry(
            "entra-application-unknown",
            Category.CONFIGURATION,
            Retry.NO,
            "Entra does not know the application in this tenant",
            "The application id or the tenant is wrong, the application was deleted or disabled, or nobody has "
            "consented to it in this tenant.",
            f"Compare the application (client) id and the directory (tenant) id with {_WHERE} > Overview: "
            "`graph_client_id` and `graph_tenant_id`, for SMTP `smtp_client_id` and `smtp_tenant_id`, for Exchange "
            "Server `exchange_client_id` and `exchange_tenant_id`. Grant admin consent under API permissions.",
            Match(names=("AADSTS700016", "AADSTS7000112", "AADSTS7000229", "AADSTS700038")),
        ),
        entry(
            "entra-tenant-unknown",
            Category.CONFIGURATION,
            Retry.NO,
            "Entra does not know the tenant",
            "The tenant id or domain is misspelt, or belongs to another cloud (Azure Government, China).",
            "Compare `graph_tenant_id` (`smtp_tenant_id`, `exchange_tenant_id`) with Microsoft Entra admin centre > "
            "Overview > Tenant ID, and see that it is the cloud's: `graph_cloud`, for SMTP `smtp_token_authority`, for "
            "Exchange Server `exchange_token_authority`.",
            Match(names=("AADSTS90002", "AADSTS900023", "AADSTS900021", "AADSTS50059", "AADSTS900382")),
            Match(text=(r"\btenant(?: \S+)? not found|unable to get authority configuration",)),
        ),
        entry(
            "entra-consent-missing",
            Category.CONFIGURATION,
            Retry.NO,
            "An administrator has not consented to the permission",
            "The application asks for a permission that nobody granted in this tenant.",
            f"{_WHERE} > API permissions: add Mail.Send (Graph) or SMTP.SendAsApp (Office 365 Exchange Online) as an "
            "application permission, then Grant admin consent. A managed identity has no such page: "
            "`infra/scripts/register-graph-app.sh --credential identity` does it for Graph.",
            Match(names=("AADSTS65001", "AADSTS90094", "AADSTS650051", "AADSTS650056", "AADSTS650057", "AADSTS501051")),
            Match(text=(r"consent_required|has not consented",)),
        ),
        entry(
            "entra-certificate-refused",
            Category.CREDENTIALS,
            Retry.NO,
            "Entra does not accept the certificate or assertion",
            "The certificate is not registered for the application, has expired, or the signature does not fit; or "
            "the clock of this machine is wrong.",
            f"{_WHERE} > Certificates & secrets > Certificates: upload the public part of the certificate that the "
            "app signs with, and compare thumbprint and dates.",
            Match(names=("AADSTS700027", "AADSTS700024", "AADSTS700023", "AADSTS50013")),
            Match(text=(r"client assertion",)),
        ),
        entry(
            "entra-certificate-not-usable",
            Category.CREDENTIALS,
            Retry.NO,
            "The certificate that was entered cannot be used",
            "Its private key is missing, or has a password; or the certificate itself is missing; or both are in "
            "another form.",
            "Enter both: as PEM, one after the other, the key without a password; or as PKCS #12 without a password, "
            "in base64. `PUT /api/secrets/graph-client-certificate` (Graph) or `PUT "
            "/api/secrets/smtp-client-certificate` (SMTP).",
            Match(
                text=(
                    r"needs a private key and a certificate|private key is encrypted",
                    r"could not parse the provided public key|could not deserialize key|unable to load pem",
                )
            ),
        ),
        entry(
            "entra-federation-refused",
            Category.CONFIGURATION,
            Retry.NO,
            "The managed identity is not linked with the application",
            "No federated credential of the application fits the managed identity's token.",
            f"{_WHERE} > Certificates & secrets > Federated credentials: add the function app's managed identity with "
            "the audience api://AzureADTokenExchange (or `infra/scripts/register-graph-app.sh --credential "
            "federation`).",
            Match(names=("AADSTS70021", "AADSTS700211", "AADSTS700212", "AADSTS700213")),
            Match(text=(r"no matching federated identity",)),
        ),
        entry(
            "managed-identity-missing",
            Category.CONFIGURATION,
            Retry.NO,
            "The function app has no managed identity to sign in with",
            "Azure's identity endpoint is not there or does not know the identity.",
            "Azure portal > the function app > Identity: switch the system-assigned identity on, or add the "
            "user-assigned one and name its client id (`graph_managed_identity_client_id`, for SMTP "
            "`smtp_managed_identity_client_id`). There is none outside Azure: use a secret or a certificate there.",
            Match(
                text=(
                    r"managed ?identity\w*(?: \S+){0,3} (?:unavailable|not found|failed)",
                    r"identity not found",
                    r"no managed identity endpoint|defaultazurecredential failed",
                )
            ),
        ),
        entry(
            "entra-conditional-access",
            Category.CONFIGURATION,
            Retry.NO,
            "A Conditional Access policy blocks the sign-in",
            "The tenant's rules do not let this account or application in from where the app runs, or ask for a second "
            "factor that no program can give.",
            "Microsoft Entra admin centre > Sign-in logs shows the policy. Exclude the application or its addresses "
            "(Protection > Conditional Access), or sign in with an application instead of a person's account.",
            Match(
                names=(
                    *("AADSTS53003", "AADSTS53000", "AADSTS53001", "AADSTS530003", "AADSTS530032", "AADSTS530034"),
                    *("AADSTS530035", "AADSTS50076", "AADSTS50079", "AADSTS50158", "AADSTS50072", "AADSTS500121"),
                )
            ),
            Match(text=(r"conditional access",)),
        ),
        entry(
            "entra-scope-wrong",
            Category.CONFIGURATION,
            Retry.NO,
            "Entra does not know what the token is asked for",
            "The scope or resource belongs to another cloud, is misspelt, or its service is not in this tenant.",
            "Graph: see that `graph_cloud` is your cloud. Else see that the scope ends with `/.default` and its host "
            "is that of your cloud (`smtp_token_scope` for SMTP, `exchange_token_scope` for Exchange Server).",
            Match(names=("AADSTS70011", "AADSTS500011", "AADSTS1002012", "AADSTS500014", "AADSTS50001", "AADSTS28002")),
            Match(text=(r"invalid_scope|invalid_resource",)),
        ),
        entry(
            "entra-account-refused",
            Category.CREDENTIALS,
            Retry.NO,
            "Entra refuses the account",
            "The user does not exist, is disabled or locked, or the password is wrong or has expired.",
            "Sign in with the account at https://myaccount.microsoft.com to see what it wants. An application "
            "registration instead of a person's account avoids this.",
            Match(
                names=("AADSTS50126", "AADSTS50034", "AADSTS50053", "AADSTS50055", "AADSTS50056", "AADSTS50057"),
            ),
        ),
        entry(
            "entra-redirected",
            Category.CONFIGURATION,
            Retry.NO,
            "The token endpoint sends the sign-in to another address",
            "Entra's own does not do that: a proxy or a portal answers in its place, or its address in the parameters "
            "is another's. The secret was not sent on.",
            "See that the app's network lets it reach login.microsoftonline.com without a portal, and that "
            "`graph_login_address`, `smtp_token_authority` or `exchange_token_authority` is right.",
            Match(text=(r"token endpoint sends elsewhere",)),
        ),
        entry(
            "entra-busy",
            Category.TRANSIENT,
            Retry.SOON,
            "The token endpoint does not answer as it should just now",
            "Entra asks to try again, or cannot be reached. The mail waits.",
            "Nothing, if it passes. Else see https://status.azure.com, and that the app's network lets it reach "
            "login.microsoftonline.com.",
            Match(names=("AADSTS90033", "AADSTS90025", "AADSTS50196", "AADSTS90055")),
            Match(text=(r"temporarily_unavailable|token endpoint cannot be reached",)),
        ),
        entry(
            "entra-client-refused",
            Category.CREDENTIALS,
            Retry.NO,
            "Entra refuses the application's sign-in",
            "The application id, the tenant, or the secret or certificate does not fit the others.",
            f"Compare all three with {_WHERE}. The AADSTS number in the answer says more: "
            "https://login.microsoftonline.com/error.",
            Match(
                text=(
                    r"invalid_client|unauthorized_client|invalid_grant|interaction_required",
                    r"\baadsts\d{5,}",
                )
            ),
        ),
    ),
)
