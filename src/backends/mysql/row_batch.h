// backends/mysql/row_batch.h - the values of many rows, column by column, for one run of a statement.
//
// MariaDB takes them together (COM_STMT_BULK_EXECUTE): one type for each column, and for each value whether
// it is NULL.
#ifndef ROOST_BACKENDS_MYSQL_ROW_BATCH_H_
#define ROOST_BACKENDS_MYSQL_ROW_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "backends/mysql/libmariadb.h"
#include "roost/statement.h"

namespace roost::mysql {

class RowBatch {
 public:
  // `places`: which value each ? takes. REQUIRES: they outlive this.
  explicit RowBatch(std::span<const uint8_t> places) : places_(places), columns_(places.size()) {}

  // What a row counts: text and bytes as many as they are, every other value 16.
  static size_t BytesOf(std::span<const Value> values);

  void Clear();
  // Copies a row. False, and nothing is changed: one of its values is of another type than those of its
  // column. REQUIRES: CheckValue takes each value.
  bool Add(std::span<const Value> values);
  size_t rows() const { return rows_; }
  // For mysql_stmt_bind_param; valid until Clear or Add.
  MYSQL_BIND* Bind();

 private:
  union Number {
    int64_t whole;
    double real;
  };
  struct Column {
    Value::Type type = Value::Type::kNull;  // of all values that are not NULL
    std::vector<Number> numbers{};
    std::vector<size_t> begins{};  // where text begins in text_
    std::vector<char*> texts{};
    std::vector<unsigned long> sizes{};
    std::vector<char> nulls{};
  };
  void AddTo(Column& column, const Value& value);

  const std::span<const uint8_t> places_;
  std::vector<Column> columns_;
  std::vector<MYSQL_BIND> binds_;
  std::string text_;
  size_t rows_ = 0;
};

}  // namespace roost::mysql

#endif  // ROOST_BACKENDS_MYSQL_ROW_BATCH_H_
