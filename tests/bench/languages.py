"""Peers in other languages, each in a process of its own, as far as their packages are installed."""
import json
import os
import pathlib
import shutil
import subprocess
import urllib.parse

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
JARS = ["HikariCP.jar", "sqlite-jdbc.jar", "slf4j-api.jar", "slf4j-nop.jar"]
JAR_FOLDER = pathlib.Path("/usr/share/java")
GO_SOURCES = pathlib.Path("/usr/share/gocode")


class Missing(Exception):
    """What to install."""


def need(there, packages):
    if not there:
        raise Missing(packages)


def command(arguments, **more):
    done = subprocess.run([str(part) for part in arguments], capture_output=True, text=True,
                          check=True, timeout=180, **more)
    return done.stdout


def sqlalchemy(_):
    """By Debian's own Python, which has Debian's packages."""
    python = "/usr/bin/python3"
    there = pathlib.Path(python).exists() and subprocess.run(
        [python, "-c", "import sqlalchemy"], capture_output=True, check=False).returncode == 0
    need(there, "python3-sqlalchemy")
    return command([python, PEERS / "sqlalchemy_bench.py"])


def hikari(folder):
    need(shutil.which("javac") and all((JAR_FOLDER / jar).exists() for jar in JARS),
         "default-jdk-headless libhikaricp-java libxerial-sqlite-jdbc-java libslf4j-java")
    path = ":".join([folder] + [str(JAR_FOLDER / jar) for jar in JARS])
    command(["javac", "-cp", path, "-d", folder, PEERS / "HikariBench.java"])
    return command(["java", "-cp", path, "HikariBench"])


def database_sql(folder):
    need(shutil.which("go") and (GO_SOURCES / "src/github.com/mattn/go-sqlite3").exists(),
         "golang-go golang-github-mattn-go-sqlite3-dev")
    environment = dict(os.environ, GO111MODULE="off", GOPATH=str(GO_SOURCES), GOFLAGS="",
                       GOCACHE=f"{folder}/go-cache")
    program = f"{folder}/sql_bench"
    # Debian's SQLite instead of the copy in the driver, which takes minutes to compile.
    command(["go", "build", "-tags", "libsqlite3", "-o", program, PEERS / "sql_bench.go"],
            env=environment)
    return command([program])


def pgx(folder, address):
    need(shutil.which("go") and (GO_SOURCES / "src/github.com/jackc/pgx/v4").exists(),
         "golang-go golang-github-jackc-pgx-v4-dev")
    environment = dict(os.environ, GO111MODULE="off", GOPATH=str(GO_SOURCES), GOFLAGS="",
                       GOCACHE=f"{folder}/go-cache")
    program = f"{folder}/pgx_postgres"
    command(["go", "build", "-o", program, PEERS / "pgx_postgres.go"], env=environment)
    return command([program, address])


def hikari_postgres(folder, address):
    jars = ["HikariCP.jar", "postgresql.jar", "slf4j-api.jar", "slf4j-nop.jar"]
    need(shutil.which("javac") and all((JAR_FOLDER / jar).exists() for jar in jars),
         "default-jdk-headless libhikaricp-java libpostgresql-jdbc-java libslf4j-java")
    path = ":".join([folder] + [str(JAR_FOLDER / jar) for jar in jars])
    command(["javac", "-cp", path, "-d", folder, PEERS / "HikariPostgres.java"])
    url = urllib.parse.urlsplit(address)
    return command(["java", "-cp", path, "HikariPostgres",
                    f"jdbc:postgresql://{url.hostname}:{url.port}{url.path}?user={url.username}&{url.query}"])


def psycopg(_, address):
    python = "/usr/bin/python3"
    there = pathlib.Path(python).exists() and subprocess.run(
        [python, "-c", "import sqlalchemy, psycopg2"], capture_output=True, check=False).returncode == 0
    need(there, "python3-sqlalchemy python3-psycopg2")
    return command([python, PEERS / "sqlalchemy_postgres.py", address])


def on_postgres(folder, address):
    """The small SELECT of bench_postgres on the server at `address`."""
    return gather((name, lambda measure=measure: measure(folder, address))
                  for name, measure in (("pgxpool", pgx), ("HikariCP on PostgreSQL", hikari_postgres),
                                        ("SQLAlchemy, psycopg2", psycopg)))


def everything(folder):
    """Rows of those that ran; of the others the reason."""
    return gather((name, lambda measure=measure: measure(folder))
                  for name, measure in (("SQLAlchemy", sqlalchemy), ("HikariCP", hikari),
                                        ("Go database/sql", database_sql)))


def gather(peers):
    """What the peers print: pairs of a name and a function."""
    rows, missing = [], {}
    for name, measure in peers:
        try:
            rows.append(json.loads(measure()))
        except Missing as packages:
            missing[name] = f"not installed: {packages}"
        except (subprocess.SubprocessError, ValueError) as error:
            missing[name] = f"did not run: {getattr(error, 'stderr', '') or error}"
    return {"rows": rows, "missing": missing}
