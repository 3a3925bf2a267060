"""Writes: one function per use case, each audited."""

from sapwood.accounts.actions.links import BadLinkError, one_time_link, redeem_link
from sapwood.accounts.actions.people import (
    AddressTakenError,
    Invitation,
    create_person,
    invite,
    reset_second_factor,
    send_link,
    set_active,
)
from sapwood.accounts.actions.personal_data import (
    covered_fields,
    erase_address,
    erase_person,
    export_address,
    export_person,
    may_erase_themselves,
    register_personal_data,
)
from sapwood.accounts.actions.roles import (
    LastAdministratorError,
    RoleError,
    add_claim_rule,
    apply_claims,
    grant_role,
    remove_claim_rule,
    revoke_role,
)
from sapwood.accounts.actions.tokens import NewToken, TokenError, create_token, revoke_token

__all__ = [
    "AddressTakenError",
    "BadLinkError",
    "Invitation",
    "LastAdministratorError",
    "NewToken",
    "RoleError",
    "TokenError",
    "add_claim_rule",
    "apply_claims",
    "covered_fields",
    "create_person",
    "create_token",
    "erase_address",
    "erase_person",
    "export_address",
    "export_person",
    "grant_role",
    "invite",
    "may_erase_themselves",
    "one_time_link",
    "redeem_link",
    "register_personal_data",
    "remove_claim_rule",
    "reset_second_factor",
    "revoke_role",
    "revoke_token",
    "send_link",
    "set_active",
]
