// tests/fakes/forwarding_platform.h - a platform that passes every call on to another one.
//
// A test that changes one function of the machine derives from it and overrides that one.
#ifndef ROOST_TESTS_FAKES_FORWARDING_PLATFORM_H_
#define ROOST_TESTS_FAKES_FORWARDING_PLATFORM_H_

#include <atomic>
#include <cstdint>
#include <span>

#include "roost/platform.h"

namespace roost::fakes {

class ForwardingPlatform : public Platform {
 public:
  // REQUIRES: other outlives this.
  explicit ForwardingPlatform(Platform& other = NativePlatform()) : other_(other) {}

  TimePoint Now() override { return other_.Now(); }
  TimePoint CoarseNow() override { return other_.CoarseNow(); }
  Duration Suspended() override { return other_.Suspended(); }
  int64_t UnixMicros() override { return other_.UnixMicros(); }
  void Yield() override { other_.Yield(); }
  bool Wait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) override {
    return other_.Wait(word, value, deadline);
  }
  void Wake(const std::atomic<uint32_t>* word) override { other_.Wake(word); }
  void WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) override {
    other_.WaitForDescriptors(waits, deadline);
  }
  int OpenEvent() override { return other_.OpenEvent(); }
  void SignalEvent(int event) override { other_.SignalEvent(event); }
  void ClearEvent(int event) override { other_.ClearEvent(event); }
  void CloseEvent(int event) override { other_.CloseEvent(event); }
  uint32_t Random() override { return other_.Random(); }
  const std::atomic<uint32_t>& Forks() override { return other_.Forks(); }

 private:
  Platform& other_;
};

}  // namespace roost::fakes

#endif  // ROOST_TESTS_FAKES_FORWARDING_PLATFORM_H_
