// The scripted fake, so that tests of the pool stand on a backend that behaves like a real one.
#include "tests/contract/watched.h"
#include "tests/fakes/scripted_backend.h"

namespace roost::contract {
namespace {

class ScriptedSubject : public Subject {
 public:
  Backend& backend() override { return backend_; }
  Platform& platform() override { return platform_; }
  const Dialect& dialect() const override { return dialect_; }
  Backend& Unreachable() override {
    unreachable_.StopServer(absl::UnavailableError("scripted: the server is down"));
    return unreachable_;
  }
  void CloseNative(NativeHandle) override {}
  void RunNative(void*, const std::string&) override {}
  void ExpectEndless() override { backend_.Takes(fakes::Call::kExecute, std::chrono::minutes(10)); }

 private:
  fakes::FakePlatform platform_;
  fakes::ScriptedBackend backend_{&platform_};
  fakes::ScriptedBackend unreachable_{&platform_};
  const Dialect dialect_{
      .schema = "CREATE", .nonsense = Sql("NONSENSE"), .endless = Sql("ENDLESS")};
};

}  // namespace

std::vector<SubjectKind> AllSubjects() {
  const SubjectKind scripted{"scripted", 0, [] { return std::make_unique<ScriptedSubject>(); }};
  return {scripted, Watched(scripted)};
}

}  // namespace roost::contract
