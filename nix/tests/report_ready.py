"""Stands in for Azure's host, and runs what reports to it that a machine is ready.

Microsoft's "Creating generalized images without a provisioning agent" says what it is asked and what it wants to hear.
"""

import http.server
import os
import subprocess
import sys
import threading
import xml.etree.ElementTree as xml

GOAL = (
    '<?xml version="1.0" encoding="utf-8"?>\r\n<GoalState><Version>2012-11-30</Version>\r\n'
    "<Incarnation>7</Incarnation>\r\n<Machine><ExpectedState>Started</ExpectedState></Machine>\r\n"
    "<Container><ContainerId>c-1</ContainerId>\r\n<RoleInstanceList><RoleInstance>\r\n"
    "<InstanceId>i-2</InstanceId>\r\n<State>Started</State></RoleInstance></RoleInstanceList></Container></GoalState>"
)


class Host(http.server.BaseHTTPRequestHandler):
    goal, reports, wrong = GOAL, [], []

    def expect(self, what, said, wanted):
        if said != wanted:
            self.wrong.append(f"{what} is {said!r}, and is to be {wanted!r}")

    def answer(self, text):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        self.expect("path", self.path, "/machine?comp=goalstate")
        self.expect("version", self.headers["x-ms-version"], "2012-11-30")
        self.answer(self.goal)

    def do_POST(self):
        self.expect("path", self.path, "/machine?comp=health")
        self.expect("version", self.headers["x-ms-version"], "2012-11-30")
        self.expect("type", self.headers["Content-Type"], "text/xml;charset=utf-8")
        self.expect("agent", self.headers["x-ms-agent-name"], "publish")
        report = xml.fromstring(self.rfile.read(int(self.headers["Content-Length"])))
        role = report.find("Container/RoleInstanceList/Role")
        self.reports.append(
            (
                report.findtext("GoalStateIncarnation"),
                report.findtext("Container/ContainerId"),
                role.findtext("InstanceId"),
                role.findtext("Health/State"),
            )
        )
        self.answer("")

    def log_message(self, *_):
        pass


def run(script, host):
    environment = {**os.environ, "AZURE_HOST": f"http://127.0.0.1:{host.server_port}"}
    return subprocess.run(["bash", script], env=environment, capture_output=True, text=True, timeout=60)


def main(script):
    host = http.server.HTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=host.serve_forever, daemon=True).start()

    done = run(script, host)
    assert done.returncode == 0, done.stderr
    assert Host.wrong == [], Host.wrong
    assert Host.reports == [("7", "c-1", "i-2", "Ready")], Host.reports

    Host.goal = "<GoalState><Version>2012-11-30</Version></GoalState>"
    done = run(script, host)
    assert done.returncode == 1 and "does not say which machine" in done.stderr, done
    assert len(Host.reports) == 1, Host.reports
    print("Azure's host is told what it wants to hear")


main(sys.argv[1])
