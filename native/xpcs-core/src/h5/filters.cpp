#include "filters.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "bitshuffle.hpp"
#include "lzf.hpp"

namespace xpcs::h5 {
namespace {

constexpr H5Z_filter_t kLzf = 32000;
constexpr H5Z_filter_t kLz4 = 32004;
constexpr H5Z_filter_t kBitshuffle = 32008;
constexpr unsigned kBitshuffleLz4 = 2;
constexpr unsigned kBitshuffleZstd = 3;
constexpr std::size_t kFiltersMax = 32;

struct Facts {
  H5Z_filter_t filter;
  std::vector<unsigned> values;
  std::string name;
};

std::vector<Facts> filters_of(hid_t creationList) {
  std::vector<Facts> found;
  const int n = std::min(H5Pget_nfilters(creationList), static_cast<int>(kFiltersMax));
  for (int i = 0; i < n; ++i) {
    unsigned flags = 0;
    std::array<unsigned, 32> values{};
    std::size_t count = values.size();
    std::array<char, 128> name{};
    const H5Z_filter_t filter = H5Pget_filter2(creationList, static_cast<unsigned>(i), &flags, &count, values.data(), name.size() - 1, name.data(), nullptr);
    found.push_back({filter, {values.begin(), values.begin() + static_cast<std::ptrdiff_t>(std::min(count, values.size()))}, name.data()});
  }
  return found;
}

bool ours(const Facts& facts) {
  switch (facts.filter) {
    case H5Z_FILTER_DEFLATE:
    case H5Z_FILTER_SHUFFLE:
    case H5Z_FILTER_FLETCHER32:
    case kLzf:
    case kLz4: return true;
    case kBitshuffle: return facts.values.size() < 5 || facts.values[4] == 0 || facts.values[4] == kBitshuffleLz4;
    default: return false;
  }
}

/// HDF5's checksum: Fletcher's with 16-bit big-endian words, reduced now and then.
std::uint32_t fletcher32(std::span<const std::uint8_t> bytes, bool swapped) {
  std::uint32_t sum1 = 0;
  std::uint32_t sum2 = 0;
  const std::size_t words = bytes.size() / 2;
  for (std::size_t i = 0; i < words;) {
    for (const std::size_t end = std::min(words, i + 360); i < end; ++i) {
      const std::uint32_t high = bytes[2 * i + (swapped ? 1 : 0)];
      const std::uint32_t low = bytes[2 * i + (swapped ? 0 : 1)];
      sum1 += high << 8 | low;
      sum2 += sum1;
    }
    sum1 = (sum1 & 0xFFFF) + (sum1 >> 16);
    sum2 = (sum2 & 0xFFFF) + (sum2 >> 16);
  }
  if (bytes.size() % 2 != 0) {
    sum1 += std::uint32_t{bytes.back()} << 8;
    sum2 += sum1;
    sum1 = (sum1 & 0xFFFF) + (sum1 >> 16);
    sum2 = (sum2 & 0xFFFF) + (sum2 >> 16);
  }
  sum1 = (sum1 & 0xFFFF) + (sum1 >> 16);
  sum2 = (sum2 & 0xFFFF) + (sum2 >> 16);
  return sum2 << 16 | sum1;
}

bool checksum_holds(std::span<const std::uint8_t> bytes) {
  const auto data = bytes.first(bytes.size() - 4);
  std::uint32_t stored = 0;
  std::memcpy(&stored, bytes.data() + data.size(), 4);
  if (stored == fletcher32(data, false)) return true;
  // Versions of HDF5 before 1.6.3 exchanged the bytes of each half of the sum; the library still takes both.
  const std::uint32_t exchanged = (stored & 0x00FF00FF) << 8 | (stored & 0xFF00FF00) >> 8;
  return exchanged == fletcher32(data, false);
}

void unshuffle_bytes(std::span<const std::uint8_t> in, std::span<std::uint8_t> out, std::size_t size) {
  const std::size_t n = in.size() / size;
  for (std::size_t b = 0; n > 0 && b < size; ++b) {  // the file may say any size
    const std::uint8_t* from = in.data() + b * n;
    for (std::size_t i = 0; i < n; ++i) out[i * size + b] = from[i];
  }
  std::copy(in.begin() + static_cast<std::ptrdiff_t>(n * size), in.end(), out.begin() + static_cast<std::ptrdiff_t>(n * size));
}

/// Bytes written, or nothing when the stream is damaged or does not fit.
std::optional<std::size_t> inflate_all(std::span<const std::uint8_t> in, std::span<std::uint8_t> out) {
  z_stream stream{};
  if (in.size() > 0xFFFFFFFFU || out.size() > 0xFFFFFFFFU || inflateInit(&stream) != Z_OK) return std::nullopt;
  stream.next_in = const_cast<Bytef*>(in.data());  // zlib does not write there
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int status = inflate(&stream, Z_FINISH);
  const std::size_t written = stream.total_out;
  inflateEnd(&stream);
  if (status != Z_STREAM_END) return std::nullopt;
  return written;
}

/// One filter undone; `out` has room for the largest size that the chunk may have on the way. Sets `written`.
const char* undo(H5Z_filter_t filter, const std::vector<unsigned>& values, std::span<const std::uint8_t> in, std::span<std::uint8_t> out,
                 std::size_t chunkBytes, std::vector<std::uint8_t>& block, std::size_t& written) {
  const auto value = [&](std::size_t i) { return i < values.size() ? values[i] : 0U; };
  switch (filter) {
    case H5Z_FILTER_DEFLATE: {
      const auto n = inflate_all(in, out);
      if (!n) return "its gzip stream is damaged";
      written = *n;
      return nullptr;
    }
    case H5Z_FILTER_SHUFFLE: {
      if (in.size() > out.size()) return "it is larger than its shape allows";
      unshuffle_bytes(in, out, std::max<std::size_t>(value(0), 1));
      written = in.size();
      return nullptr;
    }
    case H5Z_FILTER_FLETCHER32: {
      if (in.size() < 4 || in.size() - 4 > out.size()) return "its checksum is cut off";
      if (!checksum_holds(in)) return "its Fletcher32 checksum does not hold";
      written = in.size() - 4;
      std::copy_n(in.begin(), written, out.begin());
      return nullptr;
    }
    case kLzf:
      written = lzf_decode(in, out);
      return written == 0 ? "its LZF stream is damaged" : nullptr;
    case kLz4:
      if (out.size() < chunkBytes) return "it is larger than its shape allows";
      written = chunkBytes;
      return lz4_chunk_decode(in, out.first(chunkBytes));
    default:
      if (out.size() < chunkBytes) return "it is larger than its shape allows";
      block.resize(bitshuffle_scratch_bytes(chunkBytes));
      written = chunkBytes;
      return bitshuffle_chunk_decode(in, out.first(chunkBytes), {value(2), value(3), value(4) == kBitshuffleLz4}, block);
  }
}

}  // namespace

std::optional<FilterPipeline> FilterPipeline::of(hid_t creationList) {
  FilterPipeline pipeline;
  for (Facts& facts : filters_of(creationList)) {
    if (!ours(facts)) return std::nullopt;
    pipeline.steps_.push_back({facts.filter, std::move(facts.values)});
  }
  return pipeline;
}

std::string FilterPipeline::decode(std::span<const std::uint8_t> stored, std::uint32_t skipped, std::span<std::uint8_t> out, FilterScratch& scratch) const {
  std::size_t last = steps_.size();  // the last step to run writes straight into `out`
  for (std::size_t i = steps_.size(); i-- > 0;) {
    if ((skipped >> i & 1U) == 0) last = i;
  }
  const auto sized = [&](std::span<const std::uint8_t> bytes) {
    return bytes.size() == out.size() ? std::string() : "it decodes to " + std::to_string(bytes.size()) + " of " + std::to_string(out.size()) + " bytes";
  };
  std::span<const std::uint8_t> now = stored;
  for (std::size_t i = steps_.size(); i-- > 0;) {
    if ((skipped >> i & 1U) != 0) continue;
    std::vector<std::uint8_t>& next = now.data() == scratch.a.data() ? scratch.b : scratch.a;
    if (i != last) next.resize(out.size() + 64);  // checksums may still be on it
    const std::span<std::uint8_t> into = i == last ? out : std::span<std::uint8_t>(next);
    std::size_t written = 0;
    if (const char* wrong = undo(steps_[i].filter, steps_[i].values, now, into, out.size(), scratch.block, written)) return wrong;
    now = into.first(written);
  }
  if (std::string wrong = sized(now); !wrong.empty()) return wrong;
  if (last == steps_.size()) std::copy(now.begin(), now.end(), out.begin());
  return {};
}

std::optional<std::string> unreadable_filter(hid_t creationList) {
  register_chunk_filters();
  for (const Facts& facts : filters_of(creationList)) {
    if (ours(facts)) continue;
    if (facts.filter == kBitshuffle) return "32008 (bitshuffle with " + (facts.values[4] == kBitshuffleZstd ? std::string("Zstandard") : "compression " + std::to_string(facts.values[4])) + ")";
    if (H5Zfilter_avail(facts.filter) <= 0) return std::to_string(facts.filter) + " (" + facts.name + ")";
  }
  return std::nullopt;
}

namespace {

constexpr std::size_t kChunkBytesMax = std::size_t{1} << 31;

/// HDF5's callback: replaces the buffer by the decoded one. Zero means that the chunk is damaged.
template <H5Z_filter_t filter>
std::size_t callback(unsigned flags, std::size_t parameters, const unsigned* values, std::size_t bytes, std::size_t* bufferBytes, void** buffer) {
  if ((flags & H5Z_FLAG_REVERSE) == 0) return 0;  // we never write these
  const auto* in = static_cast<const std::uint8_t*>(*buffer);
  if (bytes < 12) return 0;
  std::uint64_t size = 0;
  for (int i = 0; i < 8; ++i) size = size << 8 | in[i];
  const bool plain = filter == kBitshuffle && (parameters < 5 || values[4] == 0);
  if (plain) size = bytes;
  // LZ4 packs at most 255 to 1: a header that announces more is damage, and must not make us allocate it.
  if (size == 0 || size > kChunkBytesMax || size / 256 > bytes) return 0;
  auto* out = static_cast<std::uint8_t*>(std::malloc(size));  // HDF5 frees it with free()
  if (out == nullptr) return 0;
  std::size_t written = 0;
  const char* wrong = "out of memory";
  try {
    std::vector<std::uint8_t> block;
    const std::vector<unsigned> options(values, values + parameters);
    wrong = undo(filter, options, {in, bytes}, {out, size}, size, block, written);
  } catch (const std::bad_alloc&) {  // must not pass through C
  }
  if (wrong != nullptr) {
    std::free(out);
    return 0;
  }
  std::free(*buffer);
  *buffer = out;
  *bufferBytes = size;
  return written;
}

}  // namespace

void register_chunk_filters() {
  // Ours stand before any plugin of the machine: one behaviour everywhere. They say that they encode because HDF5 makes no
  // dataset otherwise, not even for chunks that are written ready-made; encoding itself fails.
  static const bool done = [] {
    const H5Z_class2_t lz4{H5Z_CLASS_T_VERS, kLz4, 1, 1, "lz4", nullptr, nullptr, &callback<kLz4>};
    const H5Z_class2_t bitshuffle{H5Z_CLASS_T_VERS, kBitshuffle, 1, 1, "bitshuffle", nullptr, nullptr, &callback<kBitshuffle>};
    return H5Zregister(&lz4) >= 0 && H5Zregister(&bitshuffle) >= 0;
  }();
  (void)done;
}

}  // namespace xpcs::h5
