// platform/template/template_platform.h - copy this folder to begin a port.
//
// It is complete: it works on anything with threads in its C++20 library and poll(), and passes
// tests/platform/platform_contract_test.cc as it stands. Replace each function by what the machine
// does best. Each function's specification is in template_platform.cc, with what may be simplified.
//
// Threads:  every function may be called from every thread at once
// Blocks:   Wait and WaitForDescriptors, up to their deadline
// Memory:   kBuckets locks and condition variables; a port with a futex or an event flag needs none
// Errors:   none
#ifndef PLATFORM_TEMPLATE_TEMPLATE_PLATFORM_H_
#define PLATFORM_TEMPLATE_TEMPLATE_PLATFORM_H_

#include <array>
#include <condition_variable>
#include <cstddef>
#include <mutex>

#include "roost/platform.h"

namespace roost {

class TemplatePlatform : public Platform {
 public:
  TimePoint Now() override;
  TimePoint CoarseNow() override;
  int64_t UnixMicros() override;
  bool Wait(const std::atomic<uint32_t>& word, uint32_t value, Deadline deadline) override;
  void Wake(const std::atomic<uint32_t>* word) override;
  void WaitForDescriptors(std::span<DescriptorWait> waits, Deadline deadline) override;
  int OpenEvent() override;
  void SignalEvent(int event) override;
  void ClearEvent(int event) override;
  void CloseEvent(int event) override;
  uint32_t Random() override;
  const std::atomic<uint32_t>& Forks() override;

 private:
  // Threads that sleep on words of the same bucket wake each other; they look and sleep on.
  static constexpr size_t kBuckets = 16;
  struct Bucket {
    std::mutex mu;
    std::condition_variable woken;
  };
  Bucket& BucketOf(const void* address);

  std::array<Bucket, kBuckets> buckets_;
  std::atomic<uint32_t> forks_{0};
};

}  // namespace roost

#endif  // PLATFORM_TEMPLATE_TEMPLATE_PLATFORM_H_
