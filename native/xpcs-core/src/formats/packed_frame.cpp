#include "packed_frame.hpp"

#include <cstring>

#include "../h5/bitshuffle.hpp"
#include "nonzero.hpp"

namespace xpcs {
namespace {

/// Unpacks into exactly words.size() bytes. Null when it is good.
const char* unpack(const PackedFrame& packed, std::span<std::uint8_t> words, h5::FilterScratch& scratch) {
  switch (packed.packing) {
    case Packing::none:
      if (packed.bytes.size() != words.size()) return "it has another number of bytes than its pixels";
      std::memcpy(words.data(), packed.bytes.data(), words.size());
      return nullptr;
    case Packing::lz4_block: return h5::lz4_block_decode(packed.bytes, words);
    case Packing::lz4: return h5::lz4_chunk_decode(packed.bytes, words);
    case Packing::bslz4:
      scratch.block.resize(h5::bitshuffle_scratch_bytes(words.size()));
      return h5::bitshuffle_chunk_decode(packed.bytes, words, {packed.elementBytes, 0, true}, scratch.block);
  }
  return "it is packed in a way that is not known";
}

}  // namespace

std::string append_frame(const PackedFrame& packed, std::uint32_t pixels, std::uint32_t frame, std::vector<std::uint8_t>& words, h5::FilterScratch& scratch, FrameBatch& out) {
  if (packed.wordBytes != 1 && packed.wordBytes != 2 && packed.wordBytes != 4) return "its words have " + std::to_string(packed.wordBytes) + " bytes";
  words.resize(std::size_t{pixels} * packed.wordBytes);
  if (const char* wrong = unpack(packed, words, scratch)) return wrong;
  switch (packed.wordBytes) {
    case 1: append_nonzero(words.data(), pixels, frame, out); return {};
    case 2: append_nonzero(reinterpret_cast<const std::uint16_t*>(words.data()), pixels, frame, out); return {};
    default: append_nonzero(reinterpret_cast<const std::uint32_t*>(words.data()), pixels, frame, out); return {};
  }
}

}  // namespace xpcs
