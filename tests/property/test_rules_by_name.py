"""What a handshake verifies for a name is what the routes of that name require: two parts of rsp say so, each by itself."""

from hypothesis import given, settings
from hypothesis import strategies as st

from rsp.http.routing import find
from rsp.tls.material import Chain, Described, Keyring
from rsp.tls.names import ServerNames
from tests.certificates import authority
from tests.unit.fakes import FakeWorker, configuration

HOSTS = ("a.x.test", "b.a.x.test", "x.test", "*.x.test", "*.a.x.test", "c.test", "a.*", "y.z.*", None)
NAMES = ("a.x.test", "b.a.x.test", "z.a.x.test", "y.z.a.x.test", "x.test", "q.x.test", "c.test", "d.c.test", "q.test")
PATHS = ("/", "/p", "/p/q")
RULES = st.sampled_from((None, ("staff.pem", "required"), ("staff.pem", "optional"), ("others.pem", "required")))
SERVER = authority().issue("*.x.test", "x.test", "c.test")
ABOUT = Described("site.lua:1", "site.pem", ("x.test",), "", "", "ecdsa", "", 0.0, 0.0)
KEYRING = Keyring(
    chains=(Chain(SERVER.chain, SERVER.key(), ABOUT),),
    authorities={"staff.pem": authority("Staff CA").pem, "others.pem": authority("Other CA").pem},
)
BEGIN = 'listen "127.0.0.1:3" { tls = true }\ncertificate { "site.pem" }\nupstream "app" { "127.0.0.1:2" }\n'


@st.composite
def sites(draw):
    lines = []
    for host in draw(st.permutations(HOSTS)):
        rules = draw(RULES)
        for path in draw(st.lists(st.sampled_from(PATHS), unique=True)):
            keys = [f'path = "{path}", to = "app"']
            keys += [f'host = "{host}"'] if host else []
            keys += [f'client_ca = "{rules[0]}", client_verify = "{rules[1]}"'] if rules else []
            lines.append(f"route {{ {', '.join(keys)} }}\n")
    return BEGIN + "".join(lines or ['route { to = "app" }\n'])


@given(sites())
@settings(max_examples=30, deadline=None)
def test_handshakes_and_routes_agree(text):
    names = ServerNames(configuration(text), KEYRING, ())
    with FakeWorker(text) as worker:
        worker.service.use_keyring(KEYRING)
        running = worker.service.config
        for name in (name.encode() for name in NAMES):
            verified = names.choose(name).policy
            required = running.requirement_of(name)
            assert verified == (required.policy if required is not None else b"")
            for spelling in (name.upper(), name + b".", name + b":443"):
                assert running.requirement_of(spelling) is required
            levels = running.router.levels(name)
            for path in PATHS:
                route = find(levels, path.encode(), True, None, None)
                if route is None or route not in [choice.destination for choice in levels[0].choices]:
                    continue  # no route, or one of a less specific host
                assert (route.requirement.policy if route.requirement is not None else b"") == verified
