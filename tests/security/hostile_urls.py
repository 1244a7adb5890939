"""URLs with what must become of them, for every entry of the gateway that takes one.

A table and nothing else. `ALLOW` rows lead to `pub.example` or `other.example`, which are public,
or to public addresses; `REFUSE` rows must not cause a single connection. What runs the table
gives every other name the address 127.0.0.1, as a resolver that reads numbers like a C library,
or an attacker's, would.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ALLOW", "REFUSE", "ROWS", "Row"]

ALLOW, REFUSE = "allow", "refuse"


@dataclass(frozen=True, slots=True)
class Row:
    """One URL.

    Attributes:
        url: As an attacker, a chat message or a careless operator would write it.
        verdict: `ALLOW` or `REFUSE`. An entry that wants https refuses all other allowed rows.
        reason: Why.
    """

    url: str
    verdict: str
    reason: str


def _hosts(reason: str, hosts: str, scheme: str = "https") -> list[Row]:
    return [Row(f"{scheme}://{host}/", REFUSE, reason) for host in hosts.split()]


def _urls(verdict: str, reason: str, *urls: str) -> list[Row]:
    return [Row(url, verdict, reason) for url in urls]


ROWS: tuple[Row, ...] = (
    # -- what must keep working ------------------------------------------------------------
    *_urls(
        ALLOW,
        "an ordinary address",
        "https://pub.example",
        "https://pub.example/",
        "https://pub.example/a/b.html?q=1&r=%20#frag",
        "https://PUB.Example/",
        "https://pub.example./",
        "https://pub.example:443/",
        "https://pub.example:8443/x",
        "https://pub.example:00443/",
        "https://pub.example?q=https://127.0.0.1/",
        "https://pub.example/#@127.0.0.1/",
        "https://pub.example/@127.0.0.1/",
        "https://pub.example/a:b@c",
        "https://pub.example//a//b",
        "https://pub.example/../a",
        "https://pub.example/%2e%2e/a",
        "https://pub.example/a;b=c",
        "https://pub.example/%00",
        "https://pub.example/\u00e4\u65e5\u672c",
        "https://pub.example/?u=\u00e4",
        "HTTPS://pub.example/",
        "https://a.b.c.pub.example/",
        "https://xn--bcher-kva.pub.example/",
        "https://a_b.pub.example/",
        "https://localhost.pub.example/",
        "https://127.0.0.1.pub.example/",
        "https://169-254-169-254.pub.example/",
        "https://93.184.216.1/",
        "https://93.184.216.1:8443/",
        "https://[::ffff:93.184.216.1]/",
        "https://[64:ff9b::5db8:d801]/",
        "http://pub.example/",
        "http://pub.example:8080/x",
        "http://93.184.216.1/",
    ),
    # -- loopback, however it is written ---------------------------------------------------
    *_hosts(
        "loopback",
        "127.0.0.1 127.0.0.1:8443 127.255.255.254 127.1.2.3 127.0.0.1. [::1] [::1]:18789 "
        "[0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::0:1] [::0001]",
    ),
    *_hosts(
        "a number that C libraries read as loopback",
        "127.1 127.0.1 127.1. 127.0x1 0177.1 0177.0.0.1 0177.0.0.01 00127.0.0.1 0000177.0.0.1 "
        "0x7f.1 0x7f.0.0.1 0x7F.0x0.0x0.0x1 0x7f000001 0X7F000001 0x000000007f000001 2130706433 "
        "2130706433. 017700000001 0017700000001 127.000.000.001 127.00.0.1 0x7f.0.1 "
        "127.0.0x0.1 0x.0x.0x.0x 6425673729",
    ),
    *_hosts(
        "a number that is no address at all",
        "256.0.0.1 1.2.3.4.5 1.2.3 1.2 1 4294967296 99999999999 1.2.3.256 1..2.3 -1 0x 0xg "
        "08.8.8.8 1.2.3.08 1e1 0b1.1",
    ),
    *_hosts("the unspecified address", "0 0.0.0.0 0.0 00 0x0 0.0.0.0. 0.1.2.3 [::] [0::0]"),
    # -- private and special IPv4 ----------------------------------------------------------
    *_hosts(
        "a private network",
        "10.0.0.1 10.255.255.255 10.1 012.0.0.1 0x0a000001 167772161 172.16.0.1 172.31.255.255 "
        "172.20.10.2:8443 2886729729 192.168.0.1 192.168.1.254 192.168.1 0xc0a80001 3232235521 "
        "0300.0250.0.1 100.64.0.1 100.127.255.255",
    ),
    *_hosts(
        "a special range",
        "192.0.0.1 192.0.0.9 192.0.0.170 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 "
        "192.175.48.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.1.2.3 "
        "240.0.0.1 250.1.1.1 255.255.255.255",
    ),
    *_hosts("link-local", "169.254.0.1 169.254.1.1 169.254.255.254"),
    # -- metadata services -----------------------------------------------------------------
    *_hosts(
        "a cloud metadata service",
        "169.254.169.254 169.254.169.254:80 169.254.169.254. 169.254.43518 2852039166 0xa9fea9fe "
        "0251.0376.0251.0376 0xa9.0xfe.0xa9.0xfe 169.16689662 0xa9.0xfe.0xa9fe 169.254.170.2 "
        "169.254.170.23 169.254.169.253 169.254.169.123 169.254.0.23 169.254.42.42 100.100.100.200 "
        "100.96.0.96 168.63.129.16 192.0.0.192 [fd00:ec2::254] [fd00:ec2::23] [fd00:ec2::253] "
        "[fd20:ce::254] [fd00:c1::a9fe:a9fe] [fd00:42::42] [fd00:a9fe:a9fe::1] [fe80::a9fe:a9fe] "
        "[::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [::a9fe:a9fe] [64:ff9b::a9fe:a9fe] "
        "[64:ff9b:1::a9fe:a9fe] [64:ff9b:1:a9fe:a9:fe00::] [2002:a9fe:a9fe::] "
        "[::ffff:0:a9fe:a9fe] [::ffff:6464:64c8]",
    ),
    *_hosts(
        "a cloud metadata service by name",
        "metadata metadata. METADATA metadata.google.internal metadata.google.internal. "
        "Metadata.Google.Internal metadata.goog METADATA.GOOG. metadata.azure.internal "
        "metadata.tencentyun.com metadata.packet.net metadata.platformequinix.com "
        "api.metadata.cloud.ibm.com instance-data instance-data.ec2.internal rancher-metadata "
        "rancher-metadata.rancher.internal metadata.google.internal:80",
    ),
    # -- names of this machine and its network ---------------------------------------------
    *_hosts(
        "a name of this machine or its network",
        "localhost localhost. LOCALHOST LocalHost:8443 a.localhost a.b.localhost. "
        "localhost.localdomain localhost6 ip6-localhost ip6-loopback broadcasthost local "
        "printer router nas.local nas.local. fritz.box.lan a.home.arpa home.arpa db.internal "
        "wiki.corp tv.home intranet wiki.intranet x.private kubernetes kubernetes.default.svc "
        "api.ns.svc.cluster.local host.docker.internal gateway.docker.internal redis",
    ),
    *_hosts(
        "a name with a bad address", "rebind.example mixed.example mixed6.example hidden.example"
    ),
    *_hosts("a name that a resolver leads inside", "127.0.0.1.nip.example evil.example"),
    # -- IPv6 with IPv4 inside -------------------------------------------------------------
    *_hosts(
        "IPv4-mapped",
        "[::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:7F00:0001] [0:0:0:0:0:ffff:7f00:1] "
        "[::ffff:10.0.0.1] [::ffff:192.168.0.1] [::ffff:0.0.0.0] [::ffff:100.64.0.1] "
        "[::ffff:224.0.0.1] [::ffff:172.16.0.1] [::ffff:198.18.0.1]",
    ),
    *_hosts("IPv4-compatible", "[::127.0.0.1] [::7f00:1] [::10.0.0.1] [::8.8.8.8] [::2]"),
    *_hosts("IPv4-translated", "[::ffff:0:127.0.0.1] [::ffff:0:7f00:1] [::ffff:0:8.8.8.8]"),
    *_hosts(
        "NAT64",
        "[64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::10.0.0.1] [64:ff9b::c0a8:1] "
        "[64:ff9b:1::1] [64:ff9b:1::8.8.8.8] [64:ff9b:1:7f00:0:100::] [64:ff9b:2::1] "
        "[64:ff9b:0:1::7f00:1]",
    ),
    *_hosts("6to4", "[2002:7f00:1::] [2002:a00:1::1] [2002:c0a8:1::1] [2002:808:808::]"),
    *_hosts(
        "Teredo",
        "[2001::1] [2001:0:7f00:1::] [2001:0:4136:e378:8000:63bf:80ff:fffe] "
        "[2001:0:808:808::f5ff:fffe]",
    ),
    *_hosts(
        "ISATAP",
        "[2606:4700::5efe:127.0.0.1] [2606:4700::200:5efe:10.0.0.1] [2606:4700::100:5efe:7f00:1] "
        "[2606:4700::300:5efe:c0a8:1] [fe80::5efe:7f00:1]",
    ),
    # -- other IPv6 ------------------------------------------------------------------------
    *_hosts(
        "not global unicast",
        "[fc00::1] [fd00::1] [fd12:3456:789a::1] [fe80::1] [febf::1] [fec0::1] [feff::1] [ff02::1] "
        "[ff05::2] [ff0e::1] [100::1] [100:0:0:1::1] [2001:2::1] [2001:10::1] [2001:20::1] "
        "[2001:db8::1] [2620:4f:8000::1] [3fff::1] [5f00::1] [4000::1] [8000::1] [1::1] [200::1]",
    ),
    *_hosts(
        "no valid IPv6 host",
        "[fe80::1%25eth0] [fe80::1%eth0] [::1%lo] [::1%25lo] [::1 ::1] ::1 [] [:] [:::1] [1] "
        "[g::1] [::1]x [::1]: [::1].pub.example [v1.x] [127.0.0.1] [pub.example] [::127.1] "
        "[::ffff:0x7f.1] [12345::1] [1:2:3:4:5:6:7:8:9]",
    ),
    # -- who is the host? ------------------------------------------------------------------
    *_urls(
        REFUSE,
        "parsers disagree about the host",
        "https://pub.example@127.0.0.1/",
        "https://127.0.0.1@pub.example/",
        "https://user:pw@pub.example/",
        "https://user@pub.example/",
        "https://@pub.example/",
        "https://:@pub.example/",
        "https://pub.example:443@127.0.0.1/",
        "https://a@b@pub.example/",
        "https://pub.example%40127.0.0.1/",
        "https://pub.example\\@127.0.0.1/",
        "https://127.0.0.1\\@pub.example/",
        "https://pub.example\\.evil.example/",
        "https:\\\\pub.example\\",
        "https:/\\pub.example/",
        "https:\\/pub.example/",
        "https://pub.example\\",
        "https://pub.example/a\\b",
        "https:/pub.example/",
        "https:pub.example/",
        "https:///pub.example/",
        "https:////pub.example/",
        "https://",
        "https:///",
        "https://?pub.example",
        "https://#pub.example",
        "//pub.example/",
        "/pub.example",
        "pub.example",
        "pub.example:443",
        "",
        " ",
        "https://pub.example:443:80/",
        "https://pub.example;127.0.0.1/",
        "https://pub.example,127.0.0.1/",
        "https://pub.example&127.0.0.1/",
        "https://pub.example|127.0.0.1/",
        "https://{pub.example}/",
        "https://<pub.example>/",
        'https://"pub.example"/',
        "https://pub.example*/",
        "https://*.pub.example/",
        "https://pub.example$/",
        "https://pub!example/",
        "https://(pub.example)/",
        "https://pub.example'/",
        "https://pub.example`/",
        "https://pub=example/",
        "https://pub+example/",
        "https://pub^example/",
    ),
    *_urls(
        REFUSE,
        "white space or a control character",
        "https://pub.example /",
        " https://pub.example/",
        "https://pub.example/ ",
        "https://pub.example/a b",
        "https://pub\texample/",
        "https://pub.example/\t",
        "https://pub.example\n/",
        "ht\ntps://pub.example/",
        "https://pub.example/\r\nHost: 127.0.0.1",
        "https://pub.example/\nX-Injected: 1",
        "https://pub.example\x00.evil.example/",
        "https://pub.example/\x00",
        "https://pub.example/\x1f",
        "https://pub.example/\x7f",
        "https://pub.example/\x85",
        "https://pub.example/\xa0",
        "\x00https://pub.example/",
        "\ufeffhttps://pub.example/",
        "https://pub.example/\ud800",
    ),
    *_urls(
        REFUSE,
        "no valid port",
        "https://pub.example:/",
        "https://pub.example:0/",
        "https://pub.example:65536/",
        "https://pub.example:99999999/",
        "https://pub.example:-1/",
        "https://pub.example:+443/",
        "https://pub.example:0x1bb/",
        "https://pub.example:443a/",
        "https://pub.example:4 43/",
        "https://pub.example:\u0664\u0664\u0663/",
        "https://pub.example:\uff14\uff14\uff13/",
        "https://pub.example:\u00b2/",
        "https://[::1]:99999/",
    ),
    *_urls(
        REFUSE,
        "a percent-encoded host",
        "https://%70ub.example/",
        "https://pub%2eexample/",
        "https://pub.example%2f@127.0.0.1/",
        "https://%31%32%37.0.0.1/",
        "https://127%2e0%2e0%2e1/",
        "https://127.0.0.1%00/",
        "https://127.0.0.1%20/",
        "https://127.0.0.1%2523@pub.example/",
        "https://%6c%6f%63%61%6c%68%6f%73%74/",
        "https://pub.example%00.evil.example/",
        "https://pub.example%0d%0a/",
        "https://%/",
    ),
    *_urls(
        REFUSE,
        "letters that some programs turn into others",
        "https://\u2460\u2461\u2466.0.0.1/",
        "https://127\u30020\u30020\u30021/",
        "https://127\uff0e0\uff0e0\uff0e1/",
        "https://127\uff610\uff610\uff611/",
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://loc\u0430lhost/",
        "https://\uff4cocalhost/",
        "https://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/",
        "https://localho\u017ft/",
        "https://pub.ex\u00adample/",
        "https://pub.ex\u200dample/",
        "https://pub\u2024example/",
        "https://pub\u3002example/",
        "https://b\u00fccher.pub.example/",
        "https://fa\u00df.pub.example/",
        "https://pub.example\u2044.evil.example/",
        "https://pub.example\uff0f.evil.example/",
        "https://pub.example\uff03.evil.example/",
        "https://pub.example\u2100.evil.example/",
        "https://\u202epub.example/",
        "https://\u0661\u0662\u0667.0.0.1/",
        "https://xn--a.pub.example/",
        "https://xn--.pub.example/",
        "https://xn--bcher-kv1.pub.example/",
        "https://xn--localhost-.pub.example/",
    ),
    *_urls(
        REFUSE,
        "no valid host name",
        "https://-pub.example/",
        "https://pub-.example/",
        "https://.pub.example/",
        "https://pub..example/",
        "https://pub.example../",
        "https://./",
        "https://../",
        f"https://{'a' * 64}.pub.example/",
        f"https://{'a.' * 127}pub.example/",
        f"https://pub.example/{'a' * 9000}",
    ),
    # -- other schemes ---------------------------------------------------------------------
    *_urls(
        REFUSE,
        "not http or https",
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "file://pub.example/share",
        "file:/etc/passwd",
        "\\\\pub.example\\share",
        "ftp://pub.example/",
        "ftps://pub.example/",
        "sftp://pub.example/",
        "tftp://pub.example/",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "dict://127.0.0.1:11211/stat",
        "ldap://127.0.0.1/",
        "jar:https://pub.example!/",
        "netdoc:///etc/passwd",
        "data:text/plain,hello",
        "javascript:alert(1)",
        "javascript://pub.example/%0aalert(1)",
        "blob:https://pub.example/1",
        "about:blank",
        "view-source:https://pub.example/",
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
        "mailto:a@pub.example",
        "httpss://pub.example/",
        "https+x://pub.example/",
        "1https://pub.example/",
        "://pub.example/",
        "~/.ssh/id_ed25519",
        "/etc/passwd",
        "../../etc/passwd",
    ),
    # -- the same in clear text ------------------------------------------------------------
    *_hosts(
        "clear text changes nothing",
        "127.0.0.1 127.0.0.1:18789 localhost:8080 [::1]:80 10.0.0.1 192.168.1.1 169.254.169.254 "
        "metadata.google.internal 2130706433 0x7f.1 [::ffff:7f00:1] evil.example user@pub.example "
        "mixed.example rebind.example 100.100.100.200 0",
        scheme="http",
    ),
)
