// pool/report.h - the pool in numbers and in sentences.
#ifndef ROOST_POOL_REPORT_H_
#define ROOST_POOL_REPORT_H_

#include <span>
#include <string_view>

#include "pool/pool_parts.h"

namespace roost::internal {

// See Pool::stats, Pool::Report and Pool::Explain. Each copies what it needs under the lock once,
// and writes its text after that.
Stats TakeSnapshot(PoolParts& pool);
// See Pool::Inspect.
void Inspect(PoolParts& pool, PoolDetails& out, std::span<SlotDetails> slots,
             std::span<WaiterDetails> waiters);
std::string_view WriteReport(PoolParts& pool, std::span<char> out);
std::string_view WriteExplanation(PoolParts& pool, const absl::Status& refusal, Duration asked,
                                  std::span<char> out);

}  // namespace roost::internal

#endif  // ROOST_POOL_REPORT_H_
