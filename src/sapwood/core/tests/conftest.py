import pytest

from sapwood.core.tests.servers import Script, Server, always


@pytest.fixture
def serve():
    servers = []

    def start(script: Script | bytes, **options) -> Server:
        servers.append(Server(always(script) if isinstance(script, bytes) else script, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
