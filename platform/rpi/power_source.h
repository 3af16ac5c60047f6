// platform/rpi/power_source.h - something that says whether the power fails: a line of a GPIO chip, the board's
// under-voltage alarm, or what a test makes up.
//
// Threads:  one at a time
// Blocks:   never
// Memory:   none
// Errors:   none: a source that cannot be asked any more says no, and has no descriptor
#ifndef PLATFORM_RPI_POWER_SOURCE_H_
#define PLATFORM_RPI_POWER_SOURCE_H_

#include "roost/platform.h"

namespace roost {

class PowerSource {
 public:
  PowerSource() = default;
  PowerSource(const PowerSource&) = delete;
  PowerSource& operator=(const PowerSource&) = delete;
  virtual ~PowerSource() = default;

  // Whether the power fails by the state of this moment. Edges are no answer: they bounce, and a full
  // queue of the kernel loses some.
  virtual bool Fails() = 0;
  // What becomes ready when the state may have changed, until Fails() is asked. fd -1: nothing.
  virtual DescriptorWait Wait() const = 0;
};

}  // namespace roost

#endif  // PLATFORM_RPI_POWER_SOURCE_H_
