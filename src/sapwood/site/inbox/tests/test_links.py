import pytest

from sapwood.site.inbox import links
from sapwood.site.inbox.links import IdentifyingLinkError, LinkTemplateError

NAMING = [
    "https://survey.example/?email=x",
    "https://survey.example/?user_id=7",
    "https://survey.example/?site=riverside",
    "https://survey.example/#token=abc",
    "https://survey.example/?entry.email=x",
    "https://survey.example/?data[uid]=x",
    "https://survey.example/f?contact=carol@riverside.example",
    "https://survey.example/carol@riverside.example",
    "https://survey.example/Riverside+College",
    "https://survey.example/riverside-college/form",
]
PLACES = [
    "https://survey.example/{email}",
    "https://survey.example/{{site_name}}",
    "https://survey.example/?q={user}",
    "https://survey.example/%7Bemail%7D",
    "https://survey.example/?u=[USER]",
    "https://survey.example/${name}",
    "https://survey.example/?id=<id>",
]


@pytest.mark.parametrize("url", NAMING + PLACES)
def test_hard_case_49_a_survey_link_that_names_a_site_or_person_is_refused(url):
    with pytest.raises(IdentifyingLinkError):
        links.refuse_identifying(url)


@pytest.mark.parametrize("url", NAMING + [one for one in PLACES if "{email}" in one or "{user}" in one])
def test_hard_case_49_a_template_that_names_a_site_or_person_is_refused(url):
    with pytest.raises(IdentifyingLinkError):
        links.check_template(url)


@pytest.mark.parametrize(
    "url", ["https://survey.example/ulmo?lang=es&page=2", "https://discuss.openedx.org/t/ulmo/123#post_4"]
)
def test_an_ordinary_link_passes(url):
    links.refuse_identifying(url)


def test_a_template_is_filled_with_what_identifies_nobody():
    filled = links.fill(
        "https://forms.riverside.example/{item}/{revision}?l={locale}&a={audience}",
        item="1234", revision=2, locale="es", audience="instructors",
    )  # fmt: skip
    assert filled == "https://forms.riverside.example/1234/2?l=es&a=instructors"


@pytest.mark.parametrize(
    "url", ["http://x.example/", "javascript:alert(1)", "https://{item}.example/", "https://a@b.example/", "//x"]
)
def test_a_template_is_an_https_address_with_a_fixed_host(url):
    with pytest.raises((LinkTemplateError, IdentifyingLinkError)):
        links.check_template(url)
