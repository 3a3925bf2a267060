"""What can go wrong between asking and having an answer; each case has its own code."""

from sapwood.formats.errors import SapwoodError


class NetworkError(SapwoodError):
    """A request to another machine failed."""

    code = "http.failed"
    http_status = 502


class UnreachableError(NetworkError):
    """The other machine cannot be found or does not accept a connection."""

    code = "http.unreachable"


class CertificateError(NetworkError):
    """The other machine's certificate does not prove that it is who it says."""

    code = "http.bad_certificate"


class ProxyError(NetworkError):
    """The egress proxy refused or could not be reached."""

    code = "http.proxy"


class RefusedUrlError(NetworkError):
    """The address is of a form that Sapwood does not open."""

    code = "http.refused_url"
    http_status = 400


class RefusedAddressError(NetworkError):
    """The address leads into a private or reserved network."""

    code = "http.refused_address"
    http_status = 400


class TooManyRedirectsError(NetworkError):
    """The other machine sent the request from one address to the next too often."""

    code = "http.too_many_redirects"


class TooLargeError(NetworkError):
    """The answer is larger than this request allows."""

    code = "http.too_large"


class TooSlowError(NetworkError):
    """The whole exchange took longer than this request allows."""

    code = "http.too_slow"
    http_status = 504


class BadResponseError(NetworkError):
    """The answer breaks the rules of HTTP, or ends before it is complete."""

    code = "http.bad_response"


class CaptivePortalError(NetworkError):
    """A web page came where a document was expected, as a captive portal sends it."""

    code = "http.captive_portal"
