// include/roost/statement.h - SQL with typed values: Sql, Value, Statement, Rows, Transaction.
//
// A Sql is a constant of the program. Preparing it gives a Statement that the connection keeps in a
// cache of fixed capacity, so that the second use costs no parsing and no allocation of ours. The
// same code works on every backend; placeholders are $1, $2, ... everywhere.
//
// A statement is prepared and kept (Connection::Prepare; Connection::Run prepares and runs), or it
// is part of a script that is run once (Connection::RunScript). Both run inside of the open
// transaction, if there is one. A prepared statement that is run without one is a transaction of
// its own.
//
// Threads:  a Statement, its Rows and a Transaction belong to the holder of the lease
// Blocks:   Run, RunAll, Execute, Query, Next, Commit and the end of a Transaction, on the database, up to
//           the lease's deadline
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
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "roost/internal/machine.h"
#include "roost/internal/many_rows.h"
#include "roost/internal/value_types.h"
#include "roost/next_step.h"
#include "roost/platform.h"

#pragma GCC visibility push(default)
namespace roost {

class Connection;
class PendingQuery;
class Rows;
namespace internal {
struct ConnectionAccess;
struct OneRow;
template <class T>
class RowRange;
}  // namespace internal

// The text of one SQL statement, with its hash.
//
// Declared `constexpr`, its hash is made by the compiler. Then two Sql of one address and one
// length are the same text, and a cache finds the statement without comparing characters. A Sql
// made at run time works as well; making it costs one pass over the text.
//
// REQUIRES: the text outlives the Sql. A literal does. A Statement keeps a text of its own, so that
// the Sql may end before the Statement does.
class Sql {
 public:
  // `text` as a statement.
  constexpr explicit Sql(std::string_view text)
      : text_(text), hash_(Hash(text)), constant_(std::is_constant_evaluated() && !text.empty()) {}
  // The text as it was given.
  constexpr std::string_view text() const { return text_; }
  // FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/).
  constexpr uint64_t hash() const { return hash_; }
  // True if the compiler made it: whatever lies at this address is this text, as long as it can be
  // read at all.
  constexpr bool is_constant() const { return constant_; }
  // The same with a name for those who watch statements (StatementEvent::name), a literal such as
  // "insert_reading". It does not make it another statement.
  constexpr Sql(std::string_view text, const char* name) : Sql(text) { name_ = name; }
  // Null where it was made without.
  constexpr const char* name() const { return name_; }

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
  const char* name_ = nullptr;
};

// A moment: microseconds since 1970-01-01 00:00 UTC, as Platform::UnixMicros gives them. Stored as
// an integer, or as a timestamp where the column has such a type.
struct Micros {
  // Microseconds; equal where these are.
  int64_t count = 0;
  friend constexpr bool operator==(Micros, Micros) = default;
};

// Bytes that are not text. A view: it does not own the bytes.
using Blob = std::span<const std::byte>;

// One value to bind, or one column as it was read. A view of 16 bytes, to be copied: it does not
// own the bytes of a text or blob, which have to live as long as the value is used.
//
// Times are Micros, never bare integers, so that a backend can store them as the column's own type.
//
// Every constructor converts implicitly, so that `Run(kInsert, node, 61.5)` reads well. A type that has
// none stops the build with a sentence.
class Value {
 public:
  // The types that every backend stores. A bool and a Micros are kInt64 with a mark. kArray: many
  // values as one parameter, for PostgreSQL. kTooLarge: what was bound is beyond an int64_t. MySQL takes
  // it where it is an unsigned integer; else to run with it is kInvalidArgument. No column is one of
  // these two.
  enum class Type : uint8_t { kNull, kInt64, kDouble, kText, kBlob, kTooLarge, kArray };

  // NULL.
  constexpr Value() = default;
  constexpr Value(std::nullptr_t) {}  // NOLINT(google-explicit-constructor): binding reads better
  // An integer. An unsigned one of 2^63 and more is kTooLarge, and is_unsigned().
  template <internal::Integer T>
  constexpr Value(T value)  // NOLINT(google-explicit-constructor)
      : type_(internal::FitsInt64(value) ? Type::kInt64 : Type::kTooLarge),
        mark_(internal::FitsInt64(value) ? Mark::kNone : Mark::kUnsigned),
        int64_(static_cast<int64_t>(value)) {}
  // An enumeration: its number.
  template <class T>
  requires internal::kIsEnum<T>
  constexpr Value(T value)  // NOLINT(google-explicit-constructor)
      : Value(static_cast<std::underlying_type_t<T>>(value)) {}
  // A boolean where the database has that type, else 1 or 0. Nothing that only converts to bool: a
  // pointer does not compile.
  template <class T>
  requires std::same_as<T, bool>
  constexpr Value(T value)  // NOLINT(google-explicit-constructor)
      : type_(Type::kInt64), mark_(Mark::kBoolean), int64_(value ? 1 : 0) {}
  // NaN is an error where the database has none (SQLite).
  template <class T>
  requires(std::same_as<T, double> ||
           std::same_as<T, float>) constexpr Value(T value)  // NOLINT(google-explicit-constructor)
      : type_(Type::kDouble), double_(value) {}
  // UTF-8. A backend bounds it: of 4 GiB and more it is told 4 GiB - 1, which none takes.
  constexpr Value(std::string_view text)  // NOLINT(google-explicit-constructor)
      : type_(Type::kText), size_(BoundSize(text.size())), bytes_(text.data()) {}
  // Text that ends in a zero. A null pointer is NULL.
  constexpr Value(const char* text)  // NOLINT(google-explicit-constructor)
      : Value(text == nullptr ? Value() : Value(std::string_view(text))) {}
  // Bounded as text is.
  Value(Blob blob)  // NOLINT(google-explicit-constructor)
      : type_(Type::kBlob), size_(BoundSize(blob.size())), bytes_(blob.data()) {}
  constexpr Value(Micros time)  // NOLINT(google-explicit-constructor)
      : type_(Type::kInt64), mark_(Mark::kMoment), int64_(time.count) {}
  // A moment of the wall clock, rounded down to a microsecond; kTooLarge beyond the range of Micros.
  template <class D>
  requires internal::kIsMoment<std::chrono::time_point<std::chrono::system_clock, D>>
  constexpr Value(  // NOLINT(google-explicit-constructor)
      std::chrono::time_point<std::chrono::system_clock, D> time)
      : Value(time.time_since_epoch()) {
    mark_ = Mark::kMoment;
  }
  // A span of time: microseconds, an integer, rounded down; kTooLarge beyond 64 bits.
  template <class Rep, class Period>
  requires internal::kIsDuration<std::chrono::duration<Rep, Period>>
  constexpr Value(  // NOLINT(google-explicit-constructor)
      std::chrono::duration<Rep, Period> span) {
    const std::optional<int64_t> micros = internal::ToMicros(span);
    type_ = micros.has_value() ? Type::kInt64 : Type::kTooLarge;
    int64_ = micros.value_or(0);
  }
  // An empty optional is NULL.
  template <class T>
  constexpr Value(const std::optional<T>& value)  // NOLINT(google-explicit-constructor)
      : Value(value.has_value() ? Value(*value) : Value()) {}
  // An array of PostgreSQL: a std::span, a std::vector or another row of neighbours in memory, of
  // int32_t, int64_t, bool, double, std::string_view or std::string, or of std::optional of one.
  // `INSERT INTO t SELECT * FROM unnest($1::bigint[], $2::float8[])` stores two such columns in one
  // round trip; unnest fills the shorter one up with NULL. SQLite refuses an array with
  // kInvalidArgument. A view, as text is; its backend writes it as text of up to 1 GiB.
  template <class T>
  requires internal::kIsArray<T>
  constexpr Value(const T& elements)  // NOLINT(google-explicit-constructor)
      : type_(Type::kArray),
        element_(internal::kElementOf<internal::ElementType<T>>),
        size_(BoundSize(std::size(elements))),
        bytes_(std::data(elements)) {}
  // Everything else.
  template <class T>
  requires(!internal::Bindable<T>) constexpr Value(const T&) {  // NOLINT
    static_assert(
        internal::kNever<T>,
        "roost::Value: bind an integer, bool, float, double, text, std::vector<std::byte> or "
        "roost::Blob (of bytes v: "
        "std::as_bytes(std::span(v))), an "
        "enumeration, roost::Micros, a duration or a system_clock time of std::chrono with an "
        "integer inside, nullptr, or a std::optional of one of these; or, as an array, a span of "
        "int32_t, int64_t, bool, double or text");
  }

  // What it is.
  constexpr Type type() const { return type_; }
  constexpr bool is_null() const { return type_ == Type::kNull; }
  // True for a value made from a bool, for backends that have such a type.
  constexpr bool is_boolean() const { return mark_ == Mark::kBoolean; }
  // True for a value made from a Micros, for backends that have a type for moments.
  constexpr bool is_moment() const { return mark_ == Mark::kMoment; }
  // True for an unsigned integer of 2^63 and more. Bound it is kTooLarge; read it is kText, its digits, and
  // reads as a uint64_t, too.
  constexpr bool is_unsigned() const { return mark_ == Mark::kUnsigned; }
  // Its number. REQUIRES: is_unsigned().
  uint64_t unsigned_number() const;
  // Such a one as a backend reads it. REQUIRES: `digits` are those of a number from 2^63 to 2^64 - 1.
  static Value OfUnsigned(std::string_view digits) {
    Value value(digits);
    value.mark_ = Mark::kUnsigned;
    return value;
  }
  // What a backend answers for a column that does not exist. Rows makes an error of it, so that an
  // application never sees one.
  static constexpr Value NoColumn() {
    Value value;
    value.mark_ = Mark::kNoColumn;
    return value;
  }
  constexpr bool is_no_column() const { return mark_ == Mark::kNoColumn; }
  // The content. REQUIRES: type() is the one that the function reads: kInt64, kDouble, kText,
  // kBlob, kArray.
  constexpr int64_t int64() const { return int64_; }
  constexpr double real() const { return double_; }
  std::string_view text() const { return {static_cast<const char*>(bytes_), size_}; }
  Blob blob() const { return {static_cast<const std::byte*>(bytes_), size_}; }
  constexpr size_t elements() const { return size_; }
  // The element of this number, from 0; NULL for an empty optional. REQUIRES: number < elements().
  Value element(size_t number) const;

 private:
  enum class Mark : uint8_t { kNone, kBoolean, kMoment, kNoColumn, kUnsigned };

  static constexpr uint32_t BoundSize(size_t size) {
    return size < UINT32_MAX ? static_cast<uint32_t>(size) : UINT32_MAX;
  }

  Type type_ = Type::kNull;
  Mark mark_ = Mark::kNone;
  internal::Element element_{};  // of an array
  uint32_t size_ = 0;            // bytes, or elements
  union {
    int64_t int64_ = 0;
    double double_;
    const void* bytes_;
  };
};
static_assert(sizeof(Value) == 16);

// "integer", "text", ...: for messages.
std::string_view Name(Value::Type type);

class Statement;

// The rows of one query, read one after the other without copying.
//
// The destructor ends the reading, so that no read snapshot outlives it. So does a Next that
// returns false. While a Rows lives, its statement cannot be run again. Some databases (PostgreSQL)
// run no other statement of the connection either: kFailedPrecondition.
//
// Text and blobs that Get returns are valid until the next Next, or until the Rows ends.
//
// REQUIRES: ends before its lease does. One that is read or destroyed later stops the program with a
// sentence, because it would end what the next user reads.
//
// A wrong type, an unknown column or a column out of range is an error of the program: Get returns
// an empty value, Next returns false from then on, and status() says which SQL and column it was.
// So a loop over the rows needs one check, after its end.
//
// Cost: no allocation of ours for a row. A driver may take the memory of one row at a time, so that
// a result of any length needs no more.
class [[nodiscard]] Rows {
 public:
  // Goes on reading in place of `other`.
  Rows(Rows&& other) noexcept;
  Rows& operator=(Rows&&) = delete;
  ROOST_HOT ~Rows();

  // Steps to the next row. Blocks on the database, up to the lease's deadline. Returns false at the
  // end or after an error: then look at status().
  ROOST_HOT bool Next();
  // OK, or the first error: of the query, of reading, or of a Get.
  const absl::Status& status() const { return status_; }

  // Reads column `column` of the current row (0 is the first) as T:
  //
  //   int64_t, int, ...  an integer; kInvalidArgument if it does not fit
  //   an enumeration     its number; whether one of its names has it is the caller's to check
  //   double             a number; an integer converts
  //   float              the same, rounded; kInvalidArgument if it does not fit
  //   bool               the integer 0 or 1
  //   Micros             a moment, or an integer
  //   a time of std::chrono::system_clock, in microseconds or finer   the same
  //   a std::chrono::duration of integers, in microseconds or finer   an integer: microseconds
  //   std::string_view   text, in place
  //   std::string        text, copied
  //   Blob               bytes, in place; text reads as its bytes
  //   std::vector<std::byte>   the same, copied
  //   Value              whatever it is
  //   std::optional<T>   the same; NULL is empty
  //
  // An integer of 2^63 and more, which MySQL has, reads as a uint64_t or an enumeration over one, as a
  // number and as text. NULL as anything else is an error. REQUIRES: the last Next() returned true.
  template <class T>
  T Get(int column);
  // The same by name, which has to be spelled as the database spells it. Cost: compares the names
  // from the first column on; on a hot path take the position.
  template <class T>
  T Get(std::string_view name) {
    const int column = Find(name);
    return column < 0 ? T{} : Get<T>(column);
  }
  // The current row as one object, its columns in order: a std::tuple, or an aggregate (a struct
  // without constructors) of up to 16 fields, each of a type that Get has. kInvalidArgument: the row
  // has another number of columns. REQUIRES: as for Get.
  template <class T>
  T As();
  // The rows as a range of T, for `for (const Reading& reading : rows.Each<Reading>())`. A row that
  // cannot be read as T ends it. Look at status() after the loop. REQUIRES: the Rows outlives the
  // range, which is gone through once.
  template <class T>
  internal::RowRange<T> Each();

 private:
  friend class PendingQuery;
  friend class Statement;
  friend struct internal::OneRow;
  // A statement that could not start is not ours to finish: an earlier Rows may be reading it.
  ROOST_HOT Rows(Statement* statement, absl::Status status);
  // Stops the program if a driver ended the reading since: the lease is over.
  ROOST_HOT void CheckLease() const;
  // What is rare is out of line; each of these has its usual case in front of it.
  bool End(const absl::StatusOr<bool>& stepped);
  Value Convert(int column, Value::Type type, Value value);
  void FailColumn(int column);
  void FailRange(int column, std::string_view wanted);
  int Find(std::string_view name);
  ROOST_HOT Value Read(int column);
  // Makes `value` one of `type`. False: it cannot be read so, and status_ has an error.
  ROOST_HOT bool Fit(int column, Value::Type type, Value& value) {
    if (value.type() == type) return true;
    value = Convert(column, type, value);
    return !value.is_no_column();
  }
  template <class T>
  T ReadAs(int column, Value value);
  template <class T>
  T ReadInteger(int column, Value value);
  template <class T>
  T ReadTime(int column, Value value);
  template <class T>
  T ReadFloat(int column, Value value);
  void FailCount(int fields);

  Statement* statement_;
  uint32_t reading_ = 0;  // Statement::readings_ when this began
  bool on_row_ = false;
  absl::Status status_;
};

// A prepared statement. Its connection owns it: see Connection::Prepare for how long it is valid.
//
// An error of Run, Execute or Query, as for every call on a connection:
//
//   kInvalidArgument     the SQL, a value or their number is wrong: fix the program
//   kAlreadyExists       a unique key has that value already
//   kFailedPrecondition  not now: its rows are being read, or this connection only reads
//   kAborted             it lost a race: run the whole transaction again
//   kDeadlineExceeded    the lease's deadline passed
//   kResourceExhausted   the disk, a bound or the memory is full
//   kUnknown             it cannot be told whether what it wrote was committed
//
// The table in lease.h has all codes, and what to do.
//
// A backend implements the virtual functions. Those that are private are for Rows.
class Statement {
 public:
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  virtual ~Statement();

  // Binds `args` to $1, $2, ..., runs to the end and throws away rows, if any. Blocks on the
  // database, up to the lease's deadline. Outside of a transaction, what it wrote is committed when
  // it returns OK. kFailedPrecondition: a Rows of this statement lives.
  template <class... Args>
  absl::Status Run(const Args&... args) {
    const std::array<Value, sizeof...(Args)> values{Value(args)...};
    return Execute(values);
  }
  // Binds `args` and starts reading. An error shows in the status of the Rows: at once, or after
  // the first Next(). kFailedPrecondition: an earlier Rows of this statement lives. `args` may end
  // before the Rows does: a backend that needs text and blobs for longer copies them.
  template <class... Args>
  Rows Query(const Args&... args) {
    const std::array<Value, sizeof...(Args)> values{Value(args)...};
    return Rows(this, Start(values));
  }
  // Run and Query with values that are counted at run time. kInvalidArgument: the count is wrong,
  // or a value is kTooLarge for the database.
  virtual absl::Status Execute(std::span<const Value> values) = 0;
  Rows ExecuteQuery(std::span<const Value> values) { return Rows(this, Start(values)); }

  // ---- Many rows in one go ----

  // Runs the statement once for each of `rows`, all or nothing, with as many rows in one round trip
  // as fit:
  //
  //   struct Level { std::string_view node; roost::Micros taken; double level; };
  //   absl::Status stored = (*insert)->RunAll(levels);  // a std::vector<Level>
  //
  // `rows` is a std::span, a std::vector, or another range with a size whose rows can be asked for by
  // number. A row is a std::tuple, a std::pair, an aggregate (see Rows::As) or a span of Value; its
  // fields are bound to $1, $2, ..., as Run does. A row of a type that Value has is bound to $1. What
  // the rows point to has to stay valid during the call. Rows that the statement gives are thrown
  // away; changes() counts those of all runs. REQUIRES: to read a row throws nothing (else std::terminate),
  // and does not use this connection.
  //
  // Where no transaction is open, RunAll begins one with the first row and commits it with the last:
  // after an error no row is in, and after kUnknown all are in or none. Where one is open, the rows
  // belong to it; after an error roll it back (SQLite keeps what was done until then, PostgreSQL has
  // given up the whole of it). The message says which row it was, counted from 1, and how many rows
  // are in; of INSERT OR FAIL, too, that a part of the row is.
  //
  // PostgreSQL: one round trip takes at most kMaxRows rows and kMaxBytes bytes, and a row that is
  // longer than that goes alone. Text and bytes count as many as they are, every other value 16. A
  // hundred readings take one round trip, begin and commit included, and one more where the statement is
  // prepared first. libpq keeps a buffer of about
  // kMaxBytes, and 32 bytes for each row of a round trip; beyond 1 MiB the connection is closed at
  // its return. A transaction pooler is fine. SQLite has no round trips, and no use for either.
  //
  // MariaDB 10.7 and later takes the rows of an INSERT or REPLACE together, by the same bounds, where it has one
  // list of values, no SELECT and no RETURNING. Rows that fit into one round trip take no second one. In a
  // table without transactions the rows in front of an error stay. A value of another type than the one above
  // it begins the next round trip. Other statements, older servers and MySQL take a round trip a row.
  //
  // Blocks on the database, up to the lease's deadline; past it no commit is begun. No rows: what is
  // known of the connection without a round trip. kFailedPrecondition: a Rows of this statement lives,
  // or the statement itself begins or ends transactions. Memory: none of ours but for an error.
  // For MariaDB it copies the rows of a round trip.
  template <size_t kMaxRows = 500, size_t kMaxBytes = size_t{64} << 10, class Range>
  absl::Status RunAll(const Range& rows) {
    static_assert(kMaxRows >= 1 && kMaxBytes >= 1, "RunAll: a round trip takes at least one row");
    return ExecuteAll(internal::ManyRows::Of(rows, kMaxRows, kMaxBytes));
  }
  // The row, from 0, that the error of the last RunAll is about: the first of several; for a link or a
  // server that broke, and for a deadline, the first row without an answer. -1: none.
  int failed_row() const { return failed_row_; }

  // How many placeholders it has.
  virtual int parameters() const = 0;
  // How many columns a row has; 0: it gives no rows.
  virtual int columns() const = 0;
  // REQUIRES: 0 <= column < columns(). Valid until the statement is run again.
  virtual std::string_view column_name(int column) const = 0;
  // Rows inserted, updated or deleted by the last Run, or by all runs of the last RunAll; 0 for a
  // statement that only reads. After an error, what SQLite has kept of it; else 0.
  virtual int64_t changes() const = 0;
  // The text. A driver may have cut blanks and comments from its end.
  virtual std::string_view sql() const = 0;

 protected:
  Statement() = default;
  // For a driver's Reset and Close: ends reading, and stops the program when a Rows of this statement is
  // used after it.
  void EndRows() {
    ++readings_;
    Finish();
  }
  // For ExecuteAll.
  void set_failed_row(int row) { failed_row_ = row; }

 private:
  friend class Rows;
  friend struct internal::ConnectionAccess;
  friend struct internal::OneRow;

  // RunAll of a backend. Sets failed_row and changes. For a driver that has no transactions: runs the
  // rows one after the other until one fails; those in front of it stay, and changes() is the last
  // row's.
  virtual absl::Status ExecuteAll(const internal::ManyRows& rows) {
    failed_row_ = -1;
    for (size_t row = 0; row < rows.size(); ++row) {
      absl::Status status;
      rows.With(row, [&](std::span<const Value> values) { status = Execute(values); });
      if (status.ok()) continue;
      failed_row_ = static_cast<int>(row);
      return internal::UndoneWithOthers(std::move(status));
    }
    return absl::OkStatus();
  }

  // Begins to read; kFailedPrecondition while an earlier Rows of this statement lives. Uses nothing
  // of `values` after it has returned.
  virtual absl::Status Start(std::span<const Value> values) = 0;
  // Start, for a caller that reads one row and takes a second one for an error (QueryOne). A driver may
  // take the rows together where that is cheaper.
  virtual absl::Status StartForOne(std::span<const Value> values) { return Start(values); }
  // StartForOne in steps: does not wait, `values` stay valid, and Advance goes on until it is done or
  // fails. Then Step reads from memory. Finish gives it up before. The default, for a driver without, waits.
  virtual absl::StatusOr<roost::Step> StartInSteps(std::span<const Value> values) {
    absl::Status status = StartForOne(values);
    if (!status.ok()) return status;
    return roost::Step{.done = true};
  }
  virtual absl::StatusOr<roost::Step> Advance(TimePoint) { return roost::Step{.done = true}; }
  // The next row: true, end: false.
  virtual absl::StatusOr<bool> Step() = 0;
  // Ends reading: resets the statement and forgets what was bound. May be called at any time.
  virtual void Finish() = 0;
  // The value of the current row; Value::NoColumn() when there is no such column. REQUIRES: the
  // last Step() said true.
  virtual Value column(int column) const = 0;

  // Readings ended by EndRows: tells a Rows whether the reading is still its own. Wraps.
  uint32_t readings_ = 0;
  int32_t failed_row_ = -1;
};

// How much a commit promises about a power cut.
enum class Durability : uint8_t {
  // As the options of the backend say. A power cut may take the latest commits.
  kDefault,
  // When Commit returns OK, this and everything committed before it survives a power cut. Cost: one
  // sync of the storage, unless the backend syncs at every commit anyway.
  kSealed,
};

// An open transaction, from Connection::Begin. Dropped without Commit, it rolls back.
//
// BEGIN, COMMIT, ROLLBACK and their like as SQL are refused while it lives (kFailedPrecondition);
// SAVEPOINT and ROLLBACK TO are not. Ended through the raw handle it is kUnknown: it may have been
// committed. Where another one was begun there instead, Commit rolls that back and says
// kFailedPrecondition; what was done in the first one may be stored.
//
// A database may end a transaction by itself: a full disk, a lost race, a broken link. Statements
// that follow are then refused until the Transaction ends, because they would commit one by one. They
// and Commit have the code of the statement that failed, and name it: only kAborted is a lost race.
//
// Everything that is run on the connection meanwhile belongs to it: one connection has one
// transaction at a time.
//
// REQUIRES: ends before its lease does. One that ends later stops the program with a sentence,
// because it would end the next user's transaction.
class [[nodiscard]] Transaction {
 public:
  // Takes the place of `other`.
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  // Rolls back, unless Commit or Rollback was called. If the rollback fails, the pool closes the
  // connection.
  ~Transaction();

  // Commits, and ends the transaction. Blocks on the database, up to the lease's deadline; after it no
  // commit is begun (kDeadlineExceeded). After an error it is rolled back already, unless the code is
  // kUnknown.
  //
  //   kAborted  it lost a race: run it again from the start
  //   kUnknown  it cannot be told whether it happened: run again only what may be done twice
  //
  // REQUIRES: neither Commit nor Rollback was called before.
  absl::Status Commit();
  // Rolls back, and ends the transaction. An error: the pool closes the connection, and nothing of
  // the transaction stays. REQUIRES: as Commit.
  absl::Status Rollback();

 private:
  friend class Connection;
  Transaction(Connection* connection, uint32_t lease) : connection_(connection), lease_(lease) {}
  // The connection, which this then no longer has. Checks that it is still lent to the same lease.
  Connection* TakeConnection();
  // Rolls back. An error condemns the connection.
  static absl::Status TakeBack(Connection& connection);

  Connection* connection_;  // nullptr: over
  uint32_t lease_;          // which lease of the connection began it
};

}  // namespace roost
#pragma GCC visibility pop

#include "roost/internal/rows.h"
#include "roost/internal/rows_to_run.h"

#endif  // ROOST_STATEMENT_H_
