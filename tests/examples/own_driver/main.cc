// A pool over a driver of one's own: see file_driver.h.
#include <cinttypes>
#include <string>

#include "file_driver.h"
#include "roost/pool.h"

absl::Status PutLine::Execute(std::span<const roost::Value> values) {
  if (values.size() != 1 || values[0].type() != roost::Value::Type::kInt64)
    return absl::InvalidArgumentError("PUT takes one integer");
  if (std::fprintf(file_, "%" PRId64 "\n", values[0].int64()) > 0) return absl::OkStatus();
  return absl::UnavailableError("the file cannot be written");
}

absl::StatusOr<roost::Statement*> FileConnection::Prepare(const roost::Sql& sql) {
  if (sql.text() == "PUT") return &put_;
  return absl::InvalidArgumentError("this driver knows PUT and nothing else");
}

absl::Status FileConnection::Seal() {
  if (std::fflush(file_) == 0) return absl::OkStatus();
  MarkFailed(roost::FaultScope::kConnection);  // the pool closes it when it comes back
  return absl::UnavailableError("the file cannot be written");
}

absl::Status FileConnection::BeginTransaction(roost::Durability) {
  return absl::InvalidArgumentError("a file has no transactions");
}

roost::Liveness FileConnection::Probe() {
  return std::ferror(file_) == 0 ? roost::Liveness::kAlive : roost::Liveness::kDead;
}

class FileBackend final : public roost::Backend {
 public:
  explicit FileBackend(std::string path) : path_(std::move(path)) {}
  std::string_view kind() const override { return "file"; }
  std::string_view target() const override { return path_; }
  roost::LanePlan lanes() const override { return roost::LanePlan::kOne; }
  size_t ConnectionBytes(int) const override { return sizeof(FileConnection); }
  absl::StatusOr<roost::Connection*> Open(const roost::OpenRequest& request) override {
    std::FILE* const file = std::fopen(path_.c_str(), "a");
    if (file == nullptr) return absl::NotFoundError("cannot open " + path_);
    return new (request.memory.data) FileConnection(file);
  }

 private:
  const std::string path_;
};

int main() {
  FileBackend backend("numbers.txt");
  roost::PoolFor<roost::profiles::Testing> pool(backend);
  absl::StatusOr<roost::Lease> lease = pool.Acquire();
  const bool stored = lease.ok() && lease->Run(roost::Sql("PUT"), 42).ok() &&
                      lease->RunAll(roost::Sql("PUT"), std::array{43, 44}).ok() &&
                      lease->Seal().ok();
  const bool refused = lease.ok() && !lease->Run(roost::Sql("SELECT 1")).ok();
  return stored && refused ? 0 : 1;
}
