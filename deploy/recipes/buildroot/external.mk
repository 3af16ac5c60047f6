include $(sort $(wildcard $(BR2_EXTERNAL_ROOSTPOOL_PATH)/package/*/*.mk))
