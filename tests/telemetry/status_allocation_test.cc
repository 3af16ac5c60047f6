// tests/telemetry/status_allocation_test.cc - a StatusServer takes its memory at its start.
#include <gtest/gtest.h>

#include "roost/status.h"
#include "tests/pool/pool_test_support.h"
#include "tests/support/counting_allocator.h"
#include "tests/support/temp_dir.h"
#include "tests/telemetry/status_client.h"

namespace roost {
namespace {

using StatusAllocationTest = PoolTest;

TEST_F(StatusAllocationTest, AnswersEventsAndWordsTakeNone) {
  support::TempDir dir;
  StatusServer server({.name = "n", .folder = dir.path().c_str(), .platform = &platform});
  PoolFor<Plain<2>> pool(backend, {.name = "local", .observer = &server, .platform = &platform});
  server.Add(pool);
  Take(pool).Return();
  for (const char* request : {"status\n", "metrics\n", "nonsense\n", ""}) {
    telemetry::StatusClient client(dir.File("n.sock"));
    client.Send(request);
    const support::AllocationCount count;
    server.Serve(platform.Now());
    server.Say(Health::kDegraded, request);
    pool.InvalidateAll();
    EXPECT_EQ(count.total(), 0u) << request;
    platform.Advance(2s);
    server.Serve(platform.Now());
  }
  const std::string file = dir.File("n.prom");
  const support::AllocationCount count;
  EXPECT_TRUE(server.WriteMetrics(file).ok());
  EXPECT_EQ(count.total(), 0u) << "the file of metrics";
}

}  // namespace
}  // namespace roost
