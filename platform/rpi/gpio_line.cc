#include "platform/rpi/gpio_line.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "platform/rpi/kernel_files.h"

namespace roost {
namespace {

constexpr char kConsumer[] = "roost-node";
// What the kernel keeps for one line, and reads that are enough for any queue that was full.
constexpr size_t kEvents = 16;
constexpr int kMostReads = 8;

int OrErrno(long result) { return result < 0 ? -errno : static_cast<int>(result); }

// The kernel's names end with a zero unless they fill their room.
template <size_t N>
std::string NameOf(const char (&name)[N]) {
  return {name, strnlen(name, N)};
}

// A chip while it is looked at.
class Chip {
 public:
  Chip(GpioKernel& kernel, std::string path)
      : kernel_(kernel), path_(std::move(path)), fd_(kernel.Open(path_.c_str())) {
    if (fd_ >= 0) error_ = kernel_.Ioctl(fd_, GPIO_GET_CHIPINFO_IOCTL, &info_);
  }
  ~Chip() {
    if (fd_ >= 0) kernel_.Close(fd_);
  }
  Chip(const Chip&) = delete;
  Chip& operator=(const Chip&) = delete;

  int open_error() const { return fd_ < 0 ? -fd_ : 0; }
  bool is_chip() const { return fd_ >= 0 && error_ >= 0; }
  int fd() const { return fd_; }
  const std::string& path() const { return path_; }
  std::string label() const { return NameOf(info_.label); }
  uint32_t lines() const { return info_.lines; }

 private:
  GpioKernel& kernel_;
  const std::string path_;
  gpiochip_info info_{};
  const int fd_;
  int error_ = -EBADF;
};

std::string Sentence(int error) { return std::strerror(error); }

// "gpiochip0 (pinctrl-bcm2711, 58 lines), gpiochip1 (...)"
std::string WhatIsThere(const std::string& dev, GpioKernel& kernel) {
  std::string all;
  for (const std::string& name : kernel::Names(dev, "gpiochip")) {
    const Chip chip(kernel, dev + "/" + name);
    all += all.empty() ? "" : ", ";
    all += name;
    if (!chip.is_chip()) continue;
    all.append(" (").append(chip.label()).append(", ");
    all.append(std::to_string(chip.lines())).append(" lines)");
  }
  if (all.empty()) return "this machine has no GPIO chip (" + dev + "/gpiochip*)";
  return "there is " + all;
}

std::string PathOf(const GpioLine::Where& where) {
  const std::string_view chip = where.chip;
  if (chip.find('/') != std::string_view::npos) return where.chip;
  if (chip.find_first_not_of("0123456789") == std::string_view::npos) {
    return where.dev + "/gpiochip" + where.chip;
  }
  return where.dev + "/" + where.chip;
}

// The path of the chip with this label; empty: none has it.
std::string PathByLabel(const GpioLine::Where& where, GpioKernel& kernel) {
  for (const std::string& name : kernel::Names(where.dev, "gpiochip")) {
    const Chip chip(kernel, where.dev + "/" + name);
    if (chip.is_chip() && chip.label() == where.chip) return chip.path();
  }
  return "";
}

absl::Status WhyNotOpen(const GpioLine::Where& where, const Chip& chip, GpioKernel& kernel) {
  switch (chip.open_error()) {
    case 0:
      return absl::NotFoundError(chip.path() + " is no GPIO chip; " +
                                 WhatIsThere(where.dev, kernel));
    case ENOENT:
    case ENODEV:
    case ENXIO:
      return absl::NotFoundError("there is no chip " + where.chip + "; " +
                                 WhatIsThere(where.dev, kernel));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(
          chip.path() + " may not be opened (" + Sentence(chip.open_error()) +
          "): add the user to the group that owns it; a service needs DeviceAllow= besides");
    default:
      return absl::UnavailableError(chip.path() + ": " + Sentence(chip.open_error()));
  }
}

// "GPIO17 is used by spi0 CS0"
std::string WhoHas(const Chip& chip, uint32_t line, GpioKernel& kernel) {
  gpio_v2_line_info info{};
  info.offset = line;
  if (kernel.Ioctl(chip.fd(), GPIO_V2_GET_LINEINFO_IOCTL, &info) < 0) return "it is in use";
  const std::string consumer = NameOf(info.consumer);
  return "it is used by " + (consumer.empty() ? "the kernel" : consumer);
}

absl::Status WhyNotTaken(const Chip& chip, uint32_t line, int error, GpioKernel& kernel) {
  const std::string where = "line " + std::to_string(line) + " of " + chip.path();
  if (error == EBUSY) {
    return absl::UnavailableError(where + ": " + WhoHas(chip, line, kernel) +
                                  "; choose another line");
  }
  if (error == EINVAL || error == ENOTTY) {
    return absl::FailedPreconditionError(
        where +
        ": the kernel does not take it as an input with events; Linux 5.10 or later is needed");
  }
  if (error == ENXIO || error == EOPNOTSUPP) {
    return absl::FailedPreconditionError(where +
                                         ": it has no interrupt; choose a line that has one");
  }
  if (error == EPERM || error == EACCES) {
    return absl::PermissionDeniedError(where + ": " + Sentence(error));
  }
  return absl::UnavailableError(where + ": " + Sentence(error));
}

// The line's descriptor, or -errno.
int Request(const Chip& chip, const GpioLine::Where& where, GpioKernel& kernel) {
  gpio_v2_line_request request{};
  request.offsets[0] = where.line;
  request.num_lines = 1;
  request.event_buffer_size = kEvents;
  std::copy(std::begin(kConsumer), std::end(kConsumer), request.consumer);
  request.config.flags =
      GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_RISING | GPIO_V2_LINE_FLAG_EDGE_FALLING;
  if (where.active_low) request.config.flags |= GPIO_V2_LINE_FLAG_ACTIVE_LOW;
  const int result = kernel.Ioctl(chip.fd(), GPIO_V2_GET_LINE_IOCTL, &request);
  if (result < 0) return result;
  if (const int set = kernel.SetNonBlocking(request.fd); set < 0) {
    kernel.Close(request.fd);
    return set;
  }
  return request.fd;
}

}  // namespace

int LinuxGpioKernel::Open(const char* path) { return OrErrno(open(path, O_RDWR | O_CLOEXEC)); }
int LinuxGpioKernel::Ioctl(int fd, unsigned long request, void* argument) {
  return OrErrno(ioctl(fd, request, argument));
}
int LinuxGpioKernel::Read(int fd, void* into, size_t bytes) {
  return OrErrno(read(fd, into, bytes));
}
int LinuxGpioKernel::SetNonBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  return flags < 0 ? -errno : OrErrno(fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}
void LinuxGpioKernel::Close(int fd) { close(fd); }

absl::StatusOr<std::unique_ptr<GpioLine>> GpioLine::Open(const Where& where, GpioKernel& kernel) {
  std::string path = PathOf(where);
  std::optional<Chip> chip(std::in_place, kernel, path);
  if (chip->open_error() == ENOENT) {
    if (path = PathByLabel(where, kernel); !path.empty()) chip.emplace(kernel, path);
  }
  if (!chip->is_chip()) return WhyNotOpen(where, *chip, kernel);
  if (where.line >= chip->lines()) {
    return absl::NotFoundError(chip->path() + " (" + chip->label() + ") has lines 0 to " +
                               std::to_string(chip->lines() - 1) + "; there is no line " +
                               std::to_string(where.line));
  }
  const int fd = Request(*chip, where, kernel);
  if (fd < 0) return WhyNotTaken(*chip, where.line, -fd, kernel);
  return std::unique_ptr<GpioLine>(new GpioLine(kernel, fd));
}

GpioLine::~GpioLine() { Forget(); }

void GpioLine::Forget() {
  if (fd_ >= 0) kernel_.Close(std::exchange(fd_, -1));
}

bool GpioLine::Fails() {
  if (fd_ < 0) return false;
  // The events wake whoever waits, and are of no further use.
  std::array<gpio_v2_line_event, kEvents> events;
  int reads = kMostReads;
  int got = 0;
  do {
    got = kernel_.Read(fd_, events.data(), sizeof events);
  } while (got == static_cast<int>(sizeof events) && --reads > 0);
  gpio_v2_line_values values{};
  values.mask = 1;
  if (kernel_.Ioctl(fd_, GPIO_V2_LINE_GET_VALUES_IOCTL, &values) < 0) {
    // The chip is gone. Its descriptor would be ready for ever.
    Forget();
    return false;
  }
  return (values.bits & 1) != 0;
}

}  // namespace roost
