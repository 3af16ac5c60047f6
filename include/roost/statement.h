// include/roost/statement.h - SQL with typed values: Sql, Value, Statement, Rows, Transaction.
//
// A Sql is a constant of the program. Preparing it gives a Statement that the connection keeps in a
// cache of fixed capacity, so the second use costs no parsing and no allocation of ours. The same
// code works on every backend; placeholders are $1, $2, ... everywhere.
//
// Threads:  a Statement, its Rows and a Transaction belong to the holder of the lease
// Blocks:   Run, Query, Next and Commit, up to the lease's deadline, on the database
// Memory:   statements live in the connection's storage; text and blobs are read in place
// Errors:   kInvalidArgument names the SQL and the position; the others are in lease.h
// Example:
//   constexpr roost::Sql kLouder{"SELECT node, level FROM reading WHERE level > $1"};
//   absl::StatusOr<roost::Statement*> louder = lease->Prepare(kLouder);
//   if (!louder.ok()) return louder.status();
//   roost::Rows rows = (*louder)->Query(60.0);
//   while (rows.Next()) Show(rows.Get<std::string_view>(0), rows.Get<double>(1));
//   return rows.status();
#ifndef ROOST_STATEMENT_H_
#define ROOST_STATEMENT_H_

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/internal/machine.h"

namespace roost {

class Connection;

// One SQL statement, with its hash made by the compiler. REQUIRES: the text outlives the Sql.
// A literal does; the cache reads its own copy, and no text of an earlier Sql.
class Sql {
 public:
  constexpr explicit Sql(std::string_view text)
      : text_(text), hash_(Hash(text)), constant_(std::is_constant_evaluated() && !text.empty()) {}
  constexpr std::string_view text() const { return text_; }
  // FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/).
  constexpr uint64_t hash() const { return hash_; }
  // Made by the compiler: what lies at this address is this text as long as it can be read at all.
  // So two such Sql of one address and one length are the same, and a cache need not compare their
  // characters.
  constexpr bool is_constant() const { return constant_; }

 private:
  static constexpr uint64_t Hash(std::string_view text) {
    uint64_t hash = 14695981039346656037u;
    for (const char c : text) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    }
    return hash;
  }
  std::string_view text_;
  uint64_t hash_;
  bool constant_;
};

// A moment for the database: microseconds since 1970 UTC, stored as an integer.
struct Micros {
  int64_t count = 0;
  friend constexpr bool operator==(Micros, Micros) = default;
};

// Bytes that are not text. Points to somebody else's memory.
using Blob = std::span<const std::byte>;

// One value to bind, or one column as it was read: a tagged view of 24 bytes at most.
class Value {
 public:
  enum class Type : uint8_t { kNull, kInt64, kDouble, kText, kBlob };

  constexpr Value() = default;
  constexpr Value(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): binding reads better
  template <class T>
  requires(std::integral<T> && !std::same_as<T, bool> &&
           (std::signed_integral<T> ||
            sizeof(T) <
                sizeof(int64_t))) constexpr Value(T value)  // NOLINT(google-explicit-constructor)
      : type_(Type::kInt64), int64_(static_cast<int64_t>(value)) {}
  constexpr Value(bool value)  // NOLINT(google-explicit-constructor)
      : type_(Type::kInt64), boolean_(true), int64_(value ? 1 : 0) {}
  constexpr Value(double value)  // NOLINT(google-explicit-constructor)
      : type_(Type::kDouble), double_(value) {}
  constexpr Value(std::string_view text)  // NOLINT(google-explicit-constructor)
      : type_(Type::kText), size_(static_cast<uint32_t>(text.size())), bytes_(text.data()) {}
  // A null pointer is NULL.
  constexpr Value(const char* text)  // NOLINT(google-explicit-constructor)
      : Value(text == nullptr ? Value() : Value(std::string_view(text))) {}
  Value(Blob blob)  // NOLINT(google-explicit-constructor)
      : type_(Type::kBlob), size_(static_cast<uint32_t>(blob.size())), bytes_(blob.data()) {}
  constexpr Value(Micros time)  // NOLINT(google-explicit-constructor)
      : type_(Type::kInt64), moment_(true), int64_(time.count) {}
  template <class T>
  constexpr Value(const std::optional<T>& value)  // NOLINT(google-explicit-constructor)
      : Value(value.has_value() ? Value(*value) : Value()) {}

  constexpr Type type() const { return type_; }
  constexpr bool is_null() const { return type_ == Type::kNull; }
  // True for a value made from a bool, for backends that have such a type.
  constexpr bool is_boolean() const { return boolean_; }
  // The same for one made from Micros.
  constexpr bool is_moment() const { return moment_; }
  // What a Statement answers for a column that it does not have. Rows makes an error of it, so that
  // an application never sees one.
  static constexpr Value NoColumn() {
    Value value;
    value.no_column_ = true;
    return value;
  }
  constexpr bool is_no_column() const { return no_column_; }
  // REQUIRES: the type fits.
  constexpr int64_t int64() const { return int64_; }
  constexpr double real() const { return double_; }
  std::string_view text() const { return {static_cast<const char*>(bytes_), size_}; }
  Blob blob() const { return {static_cast<const std::byte*>(bytes_), size_}; }

 private:
  Type type_ = Type::kNull;
  bool boolean_ = false;
  bool moment_ = false;
  bool no_column_ = false;
  uint32_t size_ = 0;
  union {
    int64_t int64_ = 0;
    double double_;
    const void* bytes_;
  };
};

// "integer", "text", ...: for messages.
std::string_view Name(Value::Type type);

class Statement;

// The rows of one query, read one after the other without copying. Its end (destructor) resets the
// statement, so that no read snapshot outlives it. Text and blobs are valid until the next Next().
//
// A wrong type, an unknown column or a column out of range is an error of the program: Get returns
// an empty value, Next returns false from then on, and status() says which SQL and column it was.
class [[nodiscard]] Rows {
 public:
  Rows(Rows&& other) noexcept;
  Rows& operator=(Rows&&) = delete;
  ROOST_HOT ~Rows();

  // Steps to the next row. False at the end or after an error: then look at status().
  ROOST_HOT bool Next();
  const absl::Status& status() const { return status_; }

  // Column `column` (0 is the first) as T: int64_t, int (kInvalidArgument when it does not fit),
  // double
  // (an integer converts), bool (0 or 1), Micros, std::string_view, Blob (text reads as its bytes),
  // Value (whatever it is), or std::optional of these, where NULL is empty. REQUIRES: Next() said
  // true.
  template <class T>
  T Get(int column);
  // The same by name. Cost: compares names; on a hot path take the position.
  template <class T>
  T Get(std::string_view name) {
    const int column = Find(name);
    return column < 0 ? T{} : Get<T>(column);
  }

 private:
  friend class Statement;
  // A statement that could not start is not ours to finish: an earlier Rows may be reading it.
  ROOST_HOT Rows(Statement* statement, absl::Status status)
      : statement_(status.ok() ? statement : nullptr), status_(std::move(status)) {}
  // What is rare is out of line; each of these has its usual case in front of it.
  bool End(const absl::StatusOr<bool>& stepped);
  Value Convert(int column, Value::Type type, Value value);
  void FailColumn(int column);
  void FailRange(int column, std::string_view wanted);
  int Find(std::string_view name);
  ROOST_HOT Value Read(int column);
  // Makes `value` one of `type`. False, and an error in status_: it cannot be read so.
  ROOST_HOT bool Fit(int column, Value::Type type, Value& value) {
    if (value.type() == type) return true;
    value = Convert(column, type, value);
    return !value.is_no_column();
  }
  template <class T>
  T As(int column, Value value);

  Statement* statement_;
  bool on_row_ = false;
  absl::Status status_;
};

// A prepared statement, owned by its connection. Backends implement the virtual half.
class Statement {
 public:
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  virtual ~Statement() = default;

  // Binds `args` to $1, $2, ..., runs to the end and throws away rows, if any.
  template <class... Args>
  absl::Status Run(const Args&... args) {
    const std::array<Value, sizeof...(Args)> values{Value(args)...};
    return Execute(values);
  }
  // Binds `args` and starts reading. An error shows in the Rows' status, one of the run itself
  // (a deadline that has passed, too) after the first Next().
  template <class... Args>
  Rows Query(const Args&... args) {
    const std::array<Value, sizeof...(Args)> values{Value(args)...};
    return Rows(this, Start(values));
  }

  // The same with values counted at run time. kInvalidArgument when the count is wrong.
  virtual absl::Status Execute(std::span<const Value> values) = 0;
  // Begins to read; kFailedPrecondition while an earlier Rows of this statement lives. Text and
  // blobs in `values` must stay valid until Finish. Not for applications: Query is.
  virtual absl::Status Start(std::span<const Value> values) = 0;
  // The next row: true, end: false.
  virtual absl::StatusOr<bool> Step() = 0;
  // Ends reading: resets the statement and forgets what was bound. May be called at any time.
  virtual void Finish() = 0;

  virtual int parameters() const = 0;
  virtual int columns() const = 0;
  // REQUIRES: 0 <= column < columns(). Valid while the statement is not run again.
  virtual std::string_view column_name(int column) const = 0;
  // The value of the current row; Value::NoColumn() when there is no such column. REQUIRES: the
  // last Step() said true.
  virtual Value column(int column) const = 0;
  // Rows inserted, updated or deleted by the last run.
  virtual int64_t changes() const = 0;
  virtual std::string_view sql() const = 0;

 protected:
  Statement() = default;
};

// How much a commit promises.
enum class Durability : uint8_t {
  // As the backend was opened (SqliteOptions::durability). A power cut may take the latest batches.
  kDefault,
  // When Commit returns OK, this and everything committed before it survives a power cut.
  kSealed,
};

// An open transaction. Dropped without Commit, it rolls back. REQUIRES: ends before its lease does;
// one that ends later stops the program with a sentence, because it would end the next user's.
class [[nodiscard]] Transaction {
 public:
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();

  // kAborted: lost a race, run it again from the start. After an error it is rolled back already.
  // kUnknown: it cannot be told whether it happened; run again only what may be done twice.
  absl::Status Commit();
  absl::Status Rollback();

 private:
  friend class Connection;
  Transaction(Connection* connection, uint32_t lease) : connection_(connection), lease_(lease) {}
  // The connection, which this then no longer has. Checks that it is still lent to the same lease.
  Connection* TakeConnection();

  Connection* connection_;  // nullptr: over
  uint32_t lease_;          // which lease of the connection began it
};

// ---- details ------------------------------------------------------------------------------------

namespace internal {
template <class T>
inline constexpr bool kIsOptional = false;
template <class T>
inline constexpr bool kIsOptional<std::optional<T>> = true;
}  // namespace internal

inline Rows::~Rows() {
  if (statement_ != nullptr) statement_->Finish();
}

inline bool Rows::Next() {
  on_row_ = false;
  if (!status_.ok() || statement_ == nullptr) return false;
  const absl::StatusOr<bool> stepped = statement_->Step();
  if (!stepped.ok() || !*stepped) return End(stepped);
  on_row_ = true;
  return true;
}

inline Value Rows::Read(int column) {
  return on_row_ ? statement_->column(column) : Value::NoColumn();
}

template <class T>
T Rows::Get(int column) {
  const Value value = Read(column);
  if constexpr (std::is_same_v<T, Value>) {
    if (!value.is_no_column()) return value;
    FailColumn(column);
    return Value();
  } else if constexpr (internal::kIsOptional<T>) {
    if (value.is_no_column()) FailColumn(column);
    if (value.is_null()) return T{};
    return As<typename T::value_type>(column, value);
  } else {
    return As<T>(column, value);
  }
}

template <class T>
inline T Rows::As(int column, Value value) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!Fit(column, Value::Type::kInt64, value)) return false;
    if (value.int64() != 0 && value.int64() != 1) FailRange(column, "bool (0 or 1)");
    return value.int64() == 1;
  } else if constexpr (std::is_same_v<T, Micros>) {
    return Fit(column, Value::Type::kInt64, value) ? Micros{value.int64()} : Micros{};
  } else if constexpr (std::integral<T>) {
    if (!Fit(column, Value::Type::kInt64, value)) return 0;
    const T narrowed = static_cast<T>(value.int64());
    if (static_cast<int64_t>(narrowed) != value.int64()) {
      FailRange(column, "an integer of this width");
      return 0;
    }
    return narrowed;
  } else if constexpr (std::is_same_v<T, double>) {
    return Fit(column, Value::Type::kDouble, value) ? value.real() : 0.0;
  } else if constexpr (std::is_same_v<T, std::string_view>) {
    return Fit(column, Value::Type::kText, value) ? value.text() : std::string_view();
  } else {
    static_assert(std::is_same_v<T, Blob>,
                  "Rows::Get<T>: T is an integer, bool, double, std::string_view, roost::Blob, "
                  "roost::Micros, roost::Value, or std::optional of one");
    return Fit(column, Value::Type::kBlob, value) ? value.blob() : Blob();
  }
}

}  // namespace roost

#endif  // ROOST_STATEMENT_H_
