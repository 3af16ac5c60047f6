// tests/tools/made_up_power.h - a source of power failures that a test turns on and off.
#ifndef ROOST_TESTS_TOOLS_MADE_UP_POWER_H_
#define ROOST_TESTS_TOOLS_MADE_UP_POWER_H_

#include "platform/rpi/power_source.h"

namespace roost::testing {

class MadeUpPower : public PowerSource {
 public:
  bool Fails() override {
    ++looks;
    return fails;
  }
  DescriptorWait Wait() const override { return {.fd = -1}; }

  bool fails = false;
  int looks = 0;
};

}  // namespace roost::testing

#endif  // ROOST_TESTS_TOOLS_MADE_UP_POWER_H_
