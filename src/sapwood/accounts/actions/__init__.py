"""Writes: one function per use case, each audited."""

from sapwood.accounts.actions.links import BadLinkError, one_time_link, redeem_link
from sapwood.accounts.actions.people import (
    AddressTakenError,
    create_person,
    invite,
    reset_second_factor,
    set_active,
)
from sapwood.accounts.actions.personal_data import erase_person, export_person, register_personal_data
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
    "LastAdministratorError",
    "NewToken",
    "RoleError",
    "TokenError",
    "add_claim_rule",
    "apply_claims",
    "create_person",
    "create_token",
    "erase_person",
    "export_person",
    "grant_role",
    "invite",
    "one_time_link",
    "redeem_link",
    "register_personal_data",
    "remove_claim_rule",
    "reset_second_factor",
    "revoke_role",
    "revoke_token",
    "set_active",
]
