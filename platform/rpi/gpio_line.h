// platform/rpi/gpio_line.h - one input line of a GPIO character device, by the kernel's interface of version 2 (Linux 5.10).
//
// Not by libgpiod: Debian 12's speaks version 1, whose queue of events drops the newest one when it is full.
//
// Threads:  one at a time
// Blocks:   never; Open makes some ten system calls, Fails two
// Memory:   the names, at Open
// Errors:   Open: a sentence that names what is there in its place
// Example:
//   LinuxGpioKernel kernel;
//   absl::StatusOr<std::unique_ptr<GpioLine>> line = GpioLine::Open({.chip = "gpiochip0", .line = 17}, kernel);
#ifndef PLATFORM_RPI_GPIO_LINE_H_
#define PLATFORM_RPI_GPIO_LINE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "platform/rpi/power_source.h"

namespace roost {

// The kernel as a GpioLine sees it. A test makes one up.
class GpioKernel {
 public:
  GpioKernel() = default;
  GpioKernel(const GpioKernel&) = delete;
  GpioKernel& operator=(const GpioKernel&) = delete;
  virtual ~GpioKernel() = default;

  // Each returns what the system call of its name does, or -errno.
  virtual int Open(const char* path) = 0;
  virtual int Ioctl(int fd, unsigned long request, void* argument) = 0;
  virtual int Read(int fd, void* into, size_t bytes) = 0;
  // From then on a read of `fd` that finds nothing gives -EAGAIN.
  virtual int SetNonBlocking(int fd) = 0;
  virtual void Close(int fd) = 0;
};

// The kernel.
class LinuxGpioKernel final : public GpioKernel {
 public:
  int Open(const char* path) override;
  int Ioctl(int fd, unsigned long request, void* argument) override;
  int Read(int fd, void* into, size_t bytes) override;
  int SetNonBlocking(int fd) override;
  void Close(int fd) override;
};

class GpioLine final : public PowerSource {
 public:
  struct Where {
    // "gpiochip0", "0", a path, or the chip's label ("pinctrl-rp1"): numbers change with the kernel.
    std::string chip{};
    uint32_t line = 0;         // within the chip
    bool active_low = false;   // the power fails while the line is low
    std::string dev = "/dev";  // the folder of the chips
  };
  // Takes the line for this process, as an input. `kernel` outlives the line. kNotFound: there is no such chip or
  // line. kPermissionDenied; kUnavailable: another has the line; kFailedPrecondition: the kernel or the chip cannot.
  static absl::StatusOr<std::unique_ptr<GpioLine>> Open(const Where& where, GpioKernel& kernel);
  ~GpioLine() override;

  bool Fails() override;
  DescriptorWait Wait() const override { return {.fd = fd_, .wanted = {.readable = true}}; }

 private:
  GpioLine(GpioKernel& kernel, int fd) : kernel_(kernel), fd_(fd) {}
  void Forget();

  GpioKernel& kernel_;
  int fd_;
};

}  // namespace roost

#endif  // PLATFORM_RPI_GPIO_LINE_H_
