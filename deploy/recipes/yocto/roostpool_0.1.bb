SUMMARY = "Bounded connection pools for sensor nodes"
DESCRIPTION = "SQLite, PostgreSQL and MySQL connection pools with memory, time and capacity fixed when the firmware is compiled"
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE;md5=caacbd67052c17b9c97a599cd07b33a3"

# The checkout that this recipe lies in.
inherit externalsrc
EXTERNALSRC = "${THISDIR}/../../.."

DEPENDS = "abseil-cpp cli11 ncurses nlohmann-json sqlite3 postgresql"

inherit cmake systemd useradd

# Of MariaDB the headers; the library is loaded when such a remote is configured. Without: PACKAGECONFIG = "".
PACKAGECONFIG ??= "mysql"
PACKAGECONFIG[mysql] = "-DROOST_MYSQL=ON,-DROOST_MYSQL=OFF,mariadb"

EXTRA_OECMAKE = " \
    -DROOST_BUILD_TESTS=OFF \
    -DROOST_BUILD_TOOLS=ON \
    -DROOST_INSTALL=ON \
    -DROOST_WERROR=OFF \
    -DROOST_PROFILE=raspberry_pi \
"

do_install:append() {
    install -D -m 0644 ${S}/deploy/systemd/roost-node.service ${D}${systemd_system_unitdir}/roost-node.service
    install -D -m 0640 ${S}/deploy/systemd/roost-node.conf ${D}${sysconfdir}/roost/roost-node.conf
}

# The libraries are static: what a firmware links is in the -dev package, and the main package has the programs.
PACKAGES =+ "${PN}-node"
FILES:${PN}-node = "${bindir}/roost-node ${bindir}/roostctl ${systemd_system_unitdir} ${sysconfdir}/roost"
CONFFILES:${PN}-node = "${sysconfdir}/roost/roost-node.conf"
ALLOW_EMPTY:${PN} = "1"

SYSTEMD_PACKAGES = "${PN}-node"
SYSTEMD_SERVICE:${PN}-node = "roost-node.service"
USERADD_PACKAGES = "${PN}-node"
USERADD_PARAM:${PN}-node = "--system --home-dir /var/lib/roost --no-create-home --shell /sbin/nologin --user-group roost"
# The driver of a remote database is loaded when one is configured; libmariadb.so.3 is in libmysqlclient.
RRECOMMENDS:${PN}-node = "libpq ${@bb.utils.contains('PACKAGECONFIG', 'mysql', 'libmysqlclient', '', d)}"
