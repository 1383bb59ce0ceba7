"""The Flight SQL client of Apache Arrow for Java, as the JDBC driver uses it. Slow: it compiles and runs Java.

The jars come from the wheel `deephaven-server` (the extra `java`), or from the folder LAKEHOUSE_TEST_JARS.
"""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine.lake import Lake
from flight.server import Server

FOLDER = os.environ.pop("LAKEHOUSE_TEST_JARS", "")  # taken away: a home refuses variables that are no setting of it
SOURCE = Path(__file__).parent / "java" / "Walk.java"
JARS = (
    "arrow-format", "arrow-memory-core", "arrow-memory-netty", "arrow-vector", "failureaccess", "flatbuffers-java",
    "flight-core", "flight-sql", "grpc-", "guava-", "jackson-annotations", "jackson-core", "jackson-databind",
    "jackson-datatype", "netty-", "perfmark-api", "proto-google-common-protos", "protobuf-java", "slf4j-api",
)  # fmt: skip
EXPECTED = """
create	0
insert	2
select	[1|one|1.50, 2|two|2.50]
schema	id Int(32, true), name Utf8, price Decimal(9, 2, 128)
ddl by execute	[]
bad sql	INVALID_ARGUMENT [INVALID]
no such table	NOT_FOUND [NOT_FOUND]
parameters of a query	1 Int(32, true), 2 Decimal(9, 2, 128), 3 Int(64, true)
columns of a query	name Utf8
prepared query 1	[one]
prepared query 2	[two]
parameters of an insert	1 Int(32, true), 2 Utf8
columns of an insert	0
prepared insert of a batch	3
after the batch	[5|two]
catalogs	true
schemas	[primary|main]
tables	[primary|main|walk|TABLE]
tables with schema	1
table types	[LOCAL TEMPORARY, TABLE, VIEW]
types	2
facts	[0|Lakehouse, 3|false, 8|1, 562|3]
all facts	91
primary keys	[yard|main|walk_parent|id|walk_parent_id_pkey|1]
exported keys	1
imported keys	1
cross reference	1
delete in a transaction	3
seen inside	[2]
seen outside	[5]
after rollback	[5]
after commit	[2]
an ended transaction	NOT_FOUND [NOT_FOUND]
savepoint	UNIMPLEMENTED [INVALID]
substrait	UNIMPLEMENTED [INVALID]
substrait prepared	UNIMPLEMENTED [INVALID]
load	1000
load more	1000
loaded	[2000|999000]
load again	INVALID_ARGUMENT [CONFLICT]
load temporary	1000
temporary	[999]
load inside	1000
rolled back	NOT_FOUND [NOT_FOUND]
set options	false
options	[catalog, schema]
in that catalog	[true]
close	CLOSED
after closing	NOT_FOUND [NOT_FOUND]
renew	true
cancel	CANCELLED
cancelled	TIMED_OUT [TIMEOUT]
time limit	TIMED_OUT
cancel query	CANCELLED
"""


@pytest.fixture(scope="module")
def classpath() -> str:
    package = importlib.util.find_spec("deephaven_server")
    if FOLDER:
        folder = Path(FOLDER)
    elif package is not None and package.origin is not None:
        folder = Path(package.origin).parent / "jars"
    else:
        pytest.skip("no jars: pip install 'lakehouse-sql[java]', or name their folder in LAKEHOUSE_TEST_JARS")
    if shutil.which("javac") is None:
        pytest.skip("no Java compiler: install a JDK of 11 or newer")
    found = sorted(str(jar) for jar in folder.glob("*.jar") if jar.name.startswith(JARS))
    if not any("flight-sql" in jar for jar in found):
        pytest.skip(f"no flight-sql jar in {folder.name}")
    return os.pathsep.join(found)


@pytest.mark.slow
def test_the_client_of_java(classpath: str, server: Server, lake: Lake, tmp_path: Path) -> None:
    cursor = lake.cursor()
    for statement in (
        "attach ':memory:' as yard",
        "use yard",
        "create table walk_parent (id integer primary key)",
        "create table walk_child (id integer primary key, parent integer references walk_parent (id))",
    ):
        cursor.execute(statement)
    cursor.close()
    subprocess.run(["javac", "-nowarn", "-cp", classpath, "-d", str(tmp_path), str(SOURCE)], check=True)
    opened = "--add-opens=java.base/java.nio=ALL-UNNAMED"  # Arrow reads the addresses of its buffers there
    command = ["java", opened, "-cp", f"{tmp_path}{os.pathsep}{classpath}", "Walk", "127.0.0.1", str(server.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.splitlines() == EXPECTED.strip().splitlines(), done.stderr[-2000:]
    assert done.returncode == 0
