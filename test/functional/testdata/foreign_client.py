"""A client of API v1 that knows nothing of fleet but its documentation: Python's standard library alone.

Takes a unix socket's path or HOST:PORT. Prints "ok" and ends with 0 when everything was as fleet 1.0 documents it.
"""
import http.client
import json
import socket
import sys
import time
from urllib.parse import quote

TARGET = sys.argv[1]
NAMES = ["foreign%03d.service" % number for number in range(105)]
RUN = [{"section": "Service", "name": "ExecStart", "value": "/bin/sleep infinity"}]


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(TARGET)


CONNECTION = UnixConnection("localhost") if TARGET.startswith("/") else http.client.HTTPConnection(TARGET)


def call(method, path, body=None, content_type="application/json"):
    """Status, decoded body (None when there is none) and headers."""
    headers = {} if body is None else {"Content-Type": content_type}
    CONNECTION.request(method, path, None if body is None else json.dumps(body), headers)
    answer = CONNECTION.getresponse()
    text = answer.read()
    assert answer.getheader("Server", "").startswith("fleetd/"), answer.getheaders()
    if text:
        assert answer.getheader("Content-Type") == "application/json", answer.getheaders()
    return answer.status, json.loads(text) if text else None, answer.headers


def expect(status, method, path, body=None, **more):
    got, answer, _ = call(method, path, body, **more)
    assert got == status, (method, path, got, answer)
    if status >= 400:
        assert answer["error"]["code"] == status, answer
    return answer


def pages(path, field):
    items, token, count = [], None, 0
    while True:
        separator = "&" if "?" in path else "?"
        page = expect(200, "GET", path + (separator + "nextPageToken=" + quote(token) if token else ""))
        items += page.get(field, [])
        count += 1
        token = page.get("nextPageToken")
        if not token:
            return items, count


def until(condition, what):
    end = time.time() + 30
    while time.time() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("not within 30 s: " + what)


for prefix in ("/fleet/v1", "/v1-alpha"):
    machines, _ = pages(prefix + "/machines", "machines")
    assert machines and all(machine["id"] and machine["primaryIP"] for machine in machines), machines
    discovery = expect(200, "GET", prefix + "/discovery")
    assert (discovery["id"], discovery["kind"]) == ("fleet:v1", "discovery#restDescription"), discovery
    assert set(discovery["resources"]) == {"Machines", "Units", "UnitState"}, discovery["resources"]

# Units, in pages of 100.
for name in NAMES:
    expect(201, "PUT", "/fleet/v1/units/" + name, {"desiredState": "inactive", "options": RUN})
units, count = pages("/fleet/v1/units", "units")
assert ([unit["name"] for unit in units], count) == (NAMES, 2), (len(units), count)
assert units[0] == {"currentState": "inactive", "desiredState": "inactive", "name": NAMES[0], "options": RUN}, units[0]

# One of them runs, and its state is told.
name = NAMES[0]
expect(204, "PUT", "/fleet/v1/units/" + name, {"desiredState": "launched"})
unit = until(lambda: (lambda u: u if u.get("currentState") == "launched" else None)(expect(200, "GET", "/fleet/v1/units/" + name)), "launched")
state = until(lambda: [s for s in pages("/fleet/v1/state?unitName=" + name, "states")[0] if s["systemdActiveState"] == "active"], "active")[0]
assert set(state) == {"hash", "machineID", "name", "systemdActiveState", "systemdLoadState", "systemdSubState"}, state
assert (state["machineID"], state["name"], state["systemdSubState"]) == (unit["machineID"], name, "running"), state
assert expect(200, "GET", "/fleet/v1/state/" + name) == state
assert pages("/fleet/v1/state?machineID=" + unit["machineID"], "states")[0] == [state]
assert pages("/fleet/v1/state?machineID=nobody", "states")[0] == []

# Metadata of a machine, at run time.
machine = machines[0]["id"]
path = "/%s/metadata/foreign" % machine
metadata = lambda: next(m for m in pages("/fleet/v1/machines", "machines")[0] if m["id"] == machine).get("metadata", {})
expect(204, "PATCH", "/fleet/v1/machines", [{"op": "add", "path": path, "value": {"value": "yes"}}])
assert metadata()["foreign"] == "yes", metadata()
expect(204, "PATCH", "/fleet/v1/machines", [{"op": "remove", "path": path}])
assert "foreign" not in metadata(), metadata()

# What is wrong is refused with fleet 1.0's statuses.
for status, method, path, body in (
    (404, "GET", "/fleet/v1/units/nothere.service", None),
    (404, "GET", "/fleet/v1/state/nothere.service", None),
    (404, "DELETE", "/fleet/v1/units/nothere.service", None),
    (404, "GET", "/fleet/v1/bogus", None),
    (405, "POST", "/fleet/v1/units", None),
    (409, "PUT", "/fleet/v1/units/new.service", {}),
    (409, "PUT", "/fleet/v1/units/" + name, {}),
    (400, "PUT", "/fleet/v1/units/" + name, {"name": "other.service"}),
    (400, "PUT", "/fleet/v1/units/" + name, {"desiredState": "bogus"}),
    (400, "PUT", "/fleet/v1/units/bad~name.service", {"options": RUN}),
    (400, "GET", "/fleet/v1/units?nextPageToken=x", None),
    (400, "PATCH", "/fleet/v1/machines", [{"op": "noop", "path": "/x/metadata/y"}]),
):
    expect(status, method, path, body)
expect(415, "PUT", "/fleet/v1/units/new.service", {"options": RUN}, content_type="text/plain")

for each in NAMES:
    expect(204, "DELETE", "/fleet/v1/units/" + each)
assert expect(200, "GET", "/fleet/v1/units") == {}
print("ok")
