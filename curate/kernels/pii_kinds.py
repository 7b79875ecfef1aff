"""The kinds of personal data and secrets that kernels find, and the type that each is counted and masked as."""

from __future__ import annotations

# The order decides between kinds that overlap.
KINDS = {
    "private_key": "secret", "url_credentials": "url_credentials", "aws_key": "secret", "github_token": "secret",
    "gitlab_token": "secret", "slack_token": "secret", "google_key": "secret", "stripe_key": "secret",
    "sk_key": "secret", "huggingface_token": "secret", "npm_token": "secret", "pypi_token": "secret", "jwt": "secret",
    "assigned_secret": "secret", "email": "email", "iban": "iban", "card": "card", "us_ssn": "national_id",
    "in_aadhaar": "national_id", "in_pan": "national_id", "br_cpf": "national_id", "cn_resident_id": "national_id",
    "es_dni": "national_id", "it_codice_fiscale": "national_id", "uk_nino": "national_id", "uk_nhs": "national_id",
    "ca_sin": "national_id", "ipv4": "ip", "ipv6": "ip", "phone": "phone",
}  # fmt: skip
NAMES = list(KINDS)
TYPES = ["email", "phone", "ip", "iban", "card", "national_id", "secret", "url_credentials"]
(
    PRIVATE_KEY, CREDENTIALS, AWS, GITHUB, GITLAB, SLACK, GOOGLE, STRIPE, SK, HUGGINGFACE, NPM, PYPI, JWT, ASSIGNED,
    EMAIL, IBAN, CARD, SSN, AADHAAR, PAN, CPF, CN_ID, DNI, CODICE_FISCALE, NINO, NHS, SIN, IPV4, IPV6, PHONE,
) = range(len(KINDS))  # fmt: skip
