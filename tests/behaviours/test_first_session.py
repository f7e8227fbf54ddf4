"""A client connects, sends and gets answers; another program pushes to it."""

from tests.support import RunningGateway, mock


def test_a_two_way_route_answers_its_client(gateway: RunningGateway) -> None:
    api = gateway.api({"ping": mock('{"type":"pong"}', two_way=True)})
    with api.connect() as client:
        client.send('{"action":"ping"}')
        assert client.recv(5) == '{"type":"pong"}'


def test_a_program_pushes_to_a_client(gateway: RunningGateway) -> None:
    api = gateway.api({"ping": mock("x")})
    with api.connect() as client:
        [connection_id] = api.connection_ids()
        api.management().post_to_connection(ConnectionId=connection_id, Data=b"hello \xc3\xa9")
        assert client.recv(5) == "hello é"
