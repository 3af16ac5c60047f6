################################################################################
#
# roostpool
#
################################################################################

ROOSTPOOL_VERSION = 0.1.0
# The checkout that this recipe lies in.
ROOSTPOOL_SITE = $(BR2_EXTERNAL_ROOSTPOOL_PATH)/../../..
ROOSTPOOL_SITE_METHOD = local
ROOSTPOOL_LICENSE = MIT
ROOSTPOOL_LICENSE_FILES = LICENSE
ROOSTPOOL_INSTALL_STAGING = YES
ROOSTPOOL_DEPENDENCIES = cli11 json-for-modern-cpp libabseil-cpp ncurses postgresql sqlite
ROOSTPOOL_CONF_OPTS = \
	-DROOST_BUILD_TESTS=OFF \
	-DROOST_BUILD_TOOLS=ON \
	-DROOST_INSTALL=ON \
	-DROOST_WERROR=OFF \
	-DROOST_PROFILE=raspberry_pi

ifeq ($(BR2_PACKAGE_ROOSTPOOL_MYSQL),y)
ROOSTPOOL_DEPENDENCIES += mariadb
ROOSTPOOL_CONF_OPTS += -DROOST_MYSQL=ON
else
ROOSTPOOL_CONF_OPTS += -DROOST_MYSQL=OFF
endif

define ROOSTPOOL_INSTALL_INIT_SYSTEMD
	$(INSTALL) -D -m 0644 $(@D)/deploy/systemd/roost-node.service \
		$(TARGET_DIR)/usr/lib/systemd/system/roost-node.service
	$(INSTALL) -D -m 0640 $(@D)/deploy/systemd/roost-node.conf \
		$(TARGET_DIR)/etc/roost/roost-node.conf
endef

define ROOSTPOOL_USERS
	roost -1 roost -1 * /var/lib/roost - - roost-node
endef

$(eval $(cmake-package))
