// The rows about the link: server and node are well, what is between them is not.

#include <libpq-fe.h>
#include <poll.h>

#include <thread>

#include "roost/postgres.h"
#include "tests/postgres_faults/faults.h"

namespace roost::faults {
namespace {

using absl::StatusCode;

void Drop(World& world) { world.host->Drop(); }
void Heal(World& world) { world.host->Heal(); }

// The descriptor of the connection that rests in the pool.
int SocketOf(Node& node) {
  absl::StatusOr<Lease> lease = node.pool().Acquire(kWrite, node.pool().In(1s));
  if (!lease.ok()) support::Fail("no lease: " + lease.status().ToString());
  return PQsocket(PostgresHandle(**lease));
}

// Nobody sends anything: keep-alives alone find out.
void DropUntilTheKernelKnows(World& world) {
  pollfd watched{SocketOf(world.node), POLLRDHUP, 0};
  world.host->Drop();
  if (poll(&watched, 1, 20000) != 1) support::Fail("the cut was never noticed");
}

// An outage that is shorter than what TCP's timers bear. It ends while the caller waits.
void ForAMoment(World& world, void (support::OtherHost::*down)(),
                void (support::OtherHost::*up)()) {
  (world.host->*down)();
  world.later = std::thread([&world, up] {
    poll(nullptr, 0, 300);
    (world.host->*up)();
  });
}

std::vector<Fault> Cuts() {
  return {
      {.name = "CutWhileResting",
       .title = "cut, at rest, noticed by nobody yet",
       .moment = Moment::kResting,
       .strike = Drop,
       .mend = Heal,
       .sees = {StatusCode::kUnavailable},
       .limit = 6s},
      {.name = "CutWhileRestingForLong",
       .title = "cut, at rest until the kernel noticed; healed",
       .moment = Moment::kResting,
       .strike =
           [](World& world) {
             DropUntilTheKernelKnows(world);
             world.host->Heal();
           },
       .sees = {StatusCode::kOk}},
      {.name = "CutWhileAsked",
       .title = "cut in mid-query, waiting for the result",
       .moment = Moment::kAsked,
       .strike = Drop,
       .mend = Heal,
       .sees = {StatusCode::kUnavailable},
       .limit = 10s},
      {.name = "CutBeforeAsking",
       .title = "cut; lent, query sent into it",
       .moment = Moment::kLent,
       .strike = Drop,
       .mend = Heal,
       .sees = {StatusCode::kUnavailable},
       .limit = 6s},
      {.name = "CutAndImpatient",
       .title = "cut; lent, deadline before TCP's timers",
       .moment = Moment::kLent,
       .strike = Drop,
       .mend = Heal,
       .sees = {StatusCode::kDeadlineExceeded},
       .limit = 300ms},
      {.name = "CutForAMoment",
       .title = "cut for 0.3 s, query sent into it",
       .moment = Moment::kLent,
       .strike =
           [](World& world) {
             ForAMoment(world, &support::OtherHost::Drop, &support::OtherHost::Heal);
           },
       .sees = {StatusCode::kOk},
       .limit = 6s,
       .same_connection = true},
  };
}

std::vector<Fault> Changes() {
  return {
      {.name = "Rejected",
       .title = "firewall answers with RST; lent, before a query",
       .moment = Moment::kLent,
       .strike = [](World& world) { world.host->Reject(); },
       .mend = Heal,
       .sees = {StatusCode::kUnavailable}},
      {.name = "OwnAddressChanged",
       .title = "own address changed; lent, before a query",
       .moment = Moment::kLent,
       .strike = [](World& world) { world.host->MoveTo("198.18.0.9"); },
       .mend = [](World& world) { world.host->MoveTo("198.18.0.1"); },
       .recovers_unmended = true,
       .sees = {StatusCode::kUnavailable},
       .limit = 6s},
      {.name = "LinkDownBeforeAsking",
       .title = "link down; lent, before a query",
       .moment = Moment::kLent,
       .strike = [](World& world) { world.host->LinkDown(); },
       .mend = [](World& world) { world.host->LinkUp(); },
       .sees = {StatusCode::kUnavailable},
       .limit = 6s},
      {.name = "LinkDownBeforeOpening",
       .title = "link down; connection to be opened",
       .moment = Moment::kNone,
       .strike = [](World& world) { world.host->LinkDown(); },
       .mend = [](World& world) { world.host->LinkUp(); },
       .sees = {StatusCode::kUnavailable}},
      {.name = "LinkFlaps",
       .title = "link down for 0.3 s, query sent into it",
       .moment = Moment::kLent,
       .strike =
           [](World& world) {
             ForAMoment(world, &support::OtherHost::LinkDown, &support::OtherHost::LinkUp);
           },
       .sees = {StatusCode::kOk},
       .limit = 6s,
       .same_connection = true},
  };
}

}  // namespace

std::vector<Fault> LinkFaults() {
  std::vector<Fault> faults = Cuts();
  for (Fault& fault : Changes()) faults.push_back(std::move(fault));
  return faults;
}

}  // namespace roost::faults
