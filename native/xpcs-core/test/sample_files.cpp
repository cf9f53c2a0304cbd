#include "sample_files.hpp"

#include <lz4.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "h5/filters.hpp"
#include "h5/h5.hpp"

namespace xpcs::samples {

ReaderOptions small_detector() {
  ReaderOptions options;
  options.height = 4;
  options.width = 5;
  return options;
}

void append_imm(Bytes& bytes, bool sparse, const std::vector<std::uint32_t>& pixels, const std::vector<std::int16_t>& counts, double elapsedS) {
  Bytes header(1024);
  put<std::int32_t>(header, 0, sparse ? 6 : 2);
  put<std::int32_t>(header, 4, sparse ? 6 : 0);
  put<std::int32_t>(header, 108, 4);
  put<std::int32_t>(header, 112, 5);
  put<std::int32_t>(header, 116, 2);
  put<double>(header, 128, elapsedS);
  put<std::uint32_t>(header, 152, static_cast<std::uint32_t>(counts.size()));
  put<std::int32_t>(header, 616, 12);
  put<std::int32_t>(header, 620, 77);
  bytes.insert(bytes.end(), header.begin(), header.end());
  if (sparse) {
    for (const auto p : pixels) append(bytes, p);
  }
  for (const auto c : counts) append(bytes, c);
}

Bytes sparse_imm() {
  Bytes bytes;
  append_imm(bytes, true, {7, 3, 7}, {1, -2, 4}, 0.5);
  append_imm(bytes, true, {}, {}, 0.6);
  append_imm(bytes, true, {19}, {9}, 0.7);
  return bytes;
}

std::uint64_t rigaku_word(std::uint64_t frame, std::uint64_t pixel, std::uint64_t count) { return frame << 40 | pixel << 16 | count; }
std::uint32_t ufxc_word(std::uint32_t counter, std::uint32_t pixel, std::uint32_t count) { return counter << 21 | count << 15 | pixel; }

namespace {

void big_endian(std::vector<std::uint8_t>& out, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

std::vector<std::uint8_t> lz4_bytes(const std::uint8_t* data, std::size_t bytes) {
  std::vector<std::uint8_t> out(static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(bytes))));
  const int n = LZ4_compress_default(reinterpret_cast<const char*>(data), reinterpret_cast<char*>(out.data()), static_cast<int>(bytes), static_cast<int>(out.size()));
  out.resize(static_cast<std::size_t>(n));
  return out;
}

/// One bit at a time, straight from the definition: nothing shared with the decoder.
std::vector<std::uint8_t> shuffle_bits(const std::uint8_t* data, std::size_t n, std::size_t size) {
  std::vector<std::uint8_t> out(n * size, 0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t bit = 0; bit < 8 * size; ++bit) {
      if ((data[i * size + bit / 8] >> (bit % 8) & 1) != 0) out[bit * (n / 8) + i / 8] |= static_cast<std::uint8_t>(1U << (i % 8));
    }
  }
  return out;
}

std::vector<std::uint8_t> encode(const Hdf5Sample& sample, const std::vector<std::uint8_t>& chunk) {
  switch (sample.filter) {
    case Filter::lz4: return lz4_chunk(chunk.data(), chunk.size(), 1000);
    case Filter::bitshuffle: return bitshuffle_chunk(chunk.data(), chunk.size(), sample.wordBytes, 0, false);
    default: return bitshuffle_chunk(chunk.data(), chunk.size(), sample.wordBytes, 64, true);
  }
}

void add_filter(hid_t creation, const Hdf5Sample& sample) {
  const unsigned lz4[1] = {1000};
  const unsigned bitshuffle[5] = {0, 4, static_cast<unsigned>(sample.wordBytes), 0, sample.filter == Filter::bitshuffle_lz4 ? 2U : 0U};
  switch (sample.filter) {
    case Filter::none: return;
    case Filter::gzip: H5Pset_deflate(creation, 1); return;
    case Filter::shuffle_gzip:
      H5Pset_shuffle(creation);
      H5Pset_deflate(creation, 1);
      return;
    case Filter::fletcher: H5Pset_fletcher32(creation); return;
    case Filter::lz4: H5Pset_filter(creation, 32004, H5Z_FLAG_MANDATORY, 1, lz4); return;
    case Filter::bitshuffle:
    case Filter::bitshuffle_lz4: H5Pset_filter(creation, 32008, H5Z_FLAG_MANDATORY, 5, bitshuffle); return;
  }
}

/// Copies the chunk at `offset` out of the frames; what lies over the edge is 0xAB, which nobody may see.
std::vector<std::uint8_t> cut_chunk(const Hdf5Sample& sample, const std::uint8_t* words, const hsize_t (&offset)[3]) {
  const std::size_t w = sample.wordBytes;
  std::vector<std::uint8_t> chunk(sample.chunk[0] * sample.chunk[1] * sample.chunk[2] * w, 0xAB);
  std::size_t at = 0;
  for (hsize_t f = offset[0]; f < offset[0] + sample.chunk[0]; ++f) {
    for (hsize_t r = offset[1]; r < offset[1] + sample.chunk[1]; ++r) {
      for (hsize_t c = offset[2]; c < offset[2] + sample.chunk[2]; ++c, at += w) {
        if (f < sample.shape[0] && r < sample.shape[1] && c < sample.shape[2]) {
          std::memcpy(chunk.data() + at, words + ((f * sample.shape[1] + r) * sample.shape[2] + c) * w, w);
        }
      }
    }
  }
  return chunk;
}

void write_chunks(hid_t data, const Hdf5Sample& sample, const std::uint8_t* words) {
  const bool byUs = sample.filter == Filter::lz4 || sample.filter == Filter::bitshuffle || sample.filter == Filter::bitshuffle_lz4;
  for (hsize_t f = 0; f < sample.shape[0]; f += sample.chunk[0]) {
    if (std::find(sample.leaveOut.begin(), sample.leaveOut.end(), f) != sample.leaveOut.end()) continue;
    for (hsize_t r = 0; r < sample.shape[1]; r += sample.chunk[1]) {
      for (hsize_t c = 0; c < sample.shape[2]; c += sample.chunk[2]) {
        const hsize_t offset[3] = {f, r, c};
        std::vector<std::uint8_t> chunk = cut_chunk(sample, words, offset);
        if (byUs) chunk = encode(sample, chunk);
        if (H5Dwrite_chunk(data, H5P_DEFAULT, 0, offset, chunk.size(), chunk.data()) < 0) throw std::runtime_error("cannot write a chunk of " + sample.path);
      }
    }
  }
}

}  // namespace

std::vector<std::uint8_t> lz4_chunk(const std::uint8_t* data, std::size_t bytes, std::size_t blockBytes) {
  std::vector<std::uint8_t> out;
  big_endian(out, bytes, 8);
  big_endian(out, blockBytes, 4);
  for (std::size_t at = 0; at < bytes; at += blockBytes) {
    const std::size_t n = std::min(blockBytes, bytes - at);
    std::vector<std::uint8_t> block = lz4_bytes(data + at, n);
    if (block.size() >= n) block.assign(data + at, data + at + n);  // stored as it is
    big_endian(out, block.size(), 4);
    out.insert(out.end(), block.begin(), block.end());
  }
  return out;
}

std::vector<std::uint8_t> bitshuffle_chunk(const std::uint8_t* data, std::size_t bytes, std::size_t elementBytes, std::size_t blockElements, bool lz4) {
  std::vector<std::uint8_t> out;
  if (blockElements == 0) blockElements = std::max<std::size_t>(8192 / elementBytes / 8 * 8, 128);
  if (lz4) {
    big_endian(out, bytes, 8);
    big_endian(out, blockElements * elementBytes, 4);
  }
  const std::size_t elements = bytes / elementBytes;
  std::size_t at = 0;
  while (elements - at >= 8) {
    const std::size_t n = std::min(blockElements, (elements - at) / 8 * 8);
    std::vector<std::uint8_t> block = shuffle_bits(data + at * elementBytes, n, elementBytes);
    if (lz4) {
      block = lz4_bytes(block.data(), block.size());
      big_endian(out, block.size(), 4);
    }
    out.insert(out.end(), block.begin(), block.end());
    at += n;
  }
  out.insert(out.end(), data + at * elementBytes, data + bytes);
  return out;
}

void write_hdf5(const Hdf5Sample& sample, const void* words) {
  h5::initialize();
  h5::register_chunk_filters();
  const bool there = ::access(sample.path.c_str(), F_OK) == 0 && H5Fis_hdf5(sample.path.c_str()) > 0;
  const h5::Handle file(there ? H5Fopen(sample.path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT) : H5Fcreate(sample.path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  const h5::Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links.id(), 1);
  const h5::Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const bool chunked = sample.chunk[0] > 0;
  if (chunked) H5Pset_chunk(creation.id(), 3, sample.chunk);
  add_filter(creation.id(), sample);
  H5Pset_fill_value(creation.id(), H5T_NATIVE_UINT32, &sample.fill);
  const h5::Handle space(H5Screate_simple(3, sample.shape, nullptr), H5Sclose);
  const h5::Handle data(H5Dcreate2(file.id(), sample.dataset.c_str(), sample.type, space.id(), links.id(), creation.id(), H5P_DEFAULT), H5Dclose);
  if (!data.ok()) throw std::runtime_error("cannot make " + sample.dataset + " in " + sample.path);
  const bool byHdf5 = !chunked || sample.filter == Filter::gzip || sample.filter == Filter::shuffle_gzip || sample.filter == Filter::fletcher;
  if (byHdf5) {
    const h5::Handle memory(H5Tget_native_type(sample.type, H5T_DIR_ASCEND), H5Tclose);
    if (H5Dwrite(data.id(), memory.id(), H5S_ALL, H5S_ALL, H5P_DEFAULT, words) < 0) throw std::runtime_error("cannot write " + sample.path);
  } else {
    write_chunks(data.id(), sample, static_cast<const std::uint8_t*>(words));
  }
}

}  // namespace xpcs::samples
