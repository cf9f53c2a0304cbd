// Where the frames of a complete IMM file end: a writer may have reserved more than it filled.
#include <array>
#include <string>

#include "imm_header.hpp"
#include "xpcs/error.hpp"

namespace xpcs::imm {

std::uint64_t end_of_frames(const ByteSource& source, std::uint64_t pixels, bool sparse) {
  const std::uint64_t size = source.size();
  const std::uint64_t values = end_of_values(source);
  if (size - values < kHeaderBytes) return size;
  std::array<std::byte, kHeaderBytes> bytes{};
  std::uint64_t end = 0;
  while (end < values) {
    if (source.read(end, bytes) < kHeaderBytes) return size;
    const Header header = parse_header(bytes);
    const std::uint64_t next = end + kHeaderBytes + values_bytes(header, sparse);
    if (next > size || (!sparse && header.dlen != pixels)) return size;
    if (sparse && header.dlen > 0 && values + 1 < next && next < size) break;
    end = next;
  }
  if (size - end < kHeaderBytes) return size;
  if (end > 0) return end;
  throw Error(Code::corrupt_data, "the IMM file has no frame that is written to its end: zeros from byte " + std::to_string(values) + " to byte " + std::to_string(size) +
                                      "; copy it again from its detector");
}

}  // namespace xpcs::imm
