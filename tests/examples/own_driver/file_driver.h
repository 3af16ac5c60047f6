// A driver adapter of one's own: a "database" that appends lines to a file. It knows one statement,
// "PUT", which writes the values that are bound. roost/backend.h says what each function has to do.
#ifndef FILE_DRIVER_H_
#define FILE_DRIVER_H_

#include <cstdio>
#include <new>

#include "roost/backend.h"

class PutLine final : public roost::Statement {
 public:
  explicit PutLine(std::FILE* file) : file_(file) {}
  absl::Status Execute(std::span<const roost::Value> values) override;
  int parameters() const override { return 1; }
  int columns() const override { return 0; }
  std::string_view column_name(int) const override { return {}; }
  int64_t changes() const override { return 1; }
  std::string_view sql() const override { return "PUT"; }

 private:
  absl::Status Start(std::span<const roost::Value> values) override { return Execute(values); }
  absl::StatusOr<bool> Step() override { return false; }  // it has no rows
  void Finish() override {}
  roost::Value column(int) const override { return roost::Value::NoColumn(); }
  std::FILE* const file_;
};

class FileConnection final : public roost::Connection {
 public:
  explicit FileConnection(std::FILE* file) : file_(file), put_(file) {}
  absl::StatusOr<roost::Statement*> Prepare(const roost::Sql& sql) override;
  absl::Status RunScript(std::string_view) override { return absl::OkStatus(); }
  absl::Status Seal() override;

 private:
  // A file has no transactions.
  absl::Status BeginTransaction(roost::Durability) override;
  absl::Status CommitTransaction() override { return absl::OkStatus(); }
  absl::Status RollbackTransaction() override { return absl::OkStatus(); }
  void* RawHandle() override { return file_; }
  roost::SessionState Inspect() override { return roost::SessionState::kClean; }
  absl::Status Reset(roost::Deadline) override { return absl::OkStatus(); }
  roost::Liveness Probe() override;
  absl::Status Ping(roost::Deadline) override { return Seal(); }
  absl::Status Maintain(roost::Deadline) override { return Seal(); }
  void Close() override { std::fclose(file_); }
  void Abandon() override {}
  roost::NativeHandle Detach() override { return {file_}; }
  std::FILE* const file_;
  PutLine put_;
};

#endif  // FILE_DRIVER_H_
