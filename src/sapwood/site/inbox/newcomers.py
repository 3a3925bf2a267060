"""Who signs in with a claim that an administrator mapped becomes a reader of that audience, and nothing more."""

from sapwood.accounts.api import Follower, register_claim_follower
from sapwood.site.inbox import api

register_claim_follower("inbox", Follower(names=api.claim_names, admits=api.claims_admit, follow=api.follow_claims))
