#include "xpcs/error.hpp"

namespace xpcs {

const char* code_name(Code code) noexcept {
  switch (code) {
    case Code::invalid_argument: return "INVALID_ARGUMENT";
    case Code::not_found: return "NOT_FOUND";
    case Code::already_exists: return "ALREADY_EXISTS";
    case Code::unsupported: return "UNSUPPORTED";
    case Code::corrupt_data: return "CORRUPT_DATA";
    case Code::out_of_memory: return "OUT_OF_MEMORY";
    case Code::io_failed: return "IO_FAILED";
    case Code::canceled: return "CANCELED";
    case Code::internal: return "INTERNAL";
  }
  return "INTERNAL";
}

}  // namespace xpcs
