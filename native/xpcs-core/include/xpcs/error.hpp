// The one exception of the library: a code of the closed table (src/core/errors.ts has the same names) and a sentence
// that says what, where (byte or frame) and what to do.
#pragma once
#include <stdexcept>
#include <string>

namespace xpcs {

enum class Code {
  invalid_argument,
  not_found,
  already_exists,
  unsupported,
  corrupt_data,
  out_of_memory,
  io_failed,
  canceled,
  internal,
};

/// Name of the code as the rest of the system knows it, e.g. "CORRUPT_DATA".
const char* code_name(Code code) noexcept;

class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] Code code() const noexcept { return code_; }

 private:
  Code code_;
};

}  // namespace xpcs
