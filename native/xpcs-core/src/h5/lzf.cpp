// LZF as documented by liblzf: a control byte below 32 begins a run of (control + 1) literal bytes; otherwise its upper
// three bits are the match length - 2 (7: one more length byte follows), its lower five bits and the next byte the
// distance - 1.
#include "lzf.hpp"

#include <hdf5.h>

#include <cstdlib>

namespace xpcs::h5 {

std::size_t lzf_decode(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) noexcept {
  std::size_t i = 0;
  std::size_t o = 0;
  while (i < in.size()) {
    const std::size_t control = in[i++];
    if (control < 32) {
      const std::size_t n = control + 1;
      if (n > in.size() - i || n > out.size() - o) return 0;
      for (std::size_t k = 0; k < n; ++k) out[o++] = in[i++];
      continue;
    }
    std::size_t length = control >> 5;
    if (length == 7) {
      if (i >= in.size()) return 0;
      length += in[i++];
    }
    length += 2;
    if (i >= in.size()) return 0;
    const std::size_t distance = ((control & 31) << 8 | in[i++]) + 1;
    if (distance > o || length > out.size() - o) return 0;
    for (std::size_t k = 0; k < length; ++k, ++o) out[o] = out[o - distance];
  }
  return o;
}

namespace {

constexpr H5Z_filter_t kLzf = 32000;

std::size_t filter(unsigned flags, std::size_t parameters, const unsigned* values, std::size_t bytes, std::size_t* bufferBytes, void** buffer) {
  if ((flags & H5Z_FLAG_REVERSE) == 0) return 0;  // we never write LZF
  // The third parameter is the chunk's size; an absurd one must not make us allocate it.
  const std::size_t size = parameters >= 3 ? values[2] : *bufferBytes * 4;
  if (size == 0 || size > std::size_t{1} << 30) return 0;
  auto* out = static_cast<std::uint8_t*>(std::malloc(size));  // HDF5 frees it with free()
  if (out == nullptr) return 0;
  const std::size_t n = lzf_decode({static_cast<const std::uint8_t*>(*buffer), bytes}, {out, size});
  if (n == 0) {
    std::free(out);
    return 0;
  }
  std::free(*buffer);
  *buffer = out;
  *bufferBytes = size;
  return n;
}

}  // namespace

void register_lzf() {
  if (H5Zfilter_avail(kLzf) > 0) return;
  const H5Z_class2_t facts{H5Z_CLASS_T_VERS, kLzf, 0, 1, "lzf", nullptr, nullptr, &filter};
  H5Zregister(&facts);
}

}  // namespace xpcs::h5
