#include "hdf5_dataset.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>

namespace xpcs {
namespace {

constexpr std::uint64_t kSlabBytes = std::uint64_t{32} << 20;
/// Frames of one row of chunks that are taken whole; larger ones come slab by slab.
constexpr std::uint64_t kRowBytesMax = std::uint64_t{256} << 20;
constexpr std::uint64_t kChunkBytesMax = std::uint64_t{2} << 30;
/// What a decoded chunk takes that is kept, beside its bytes.
constexpr std::uint64_t kTileBeside = 128;

h5::Handle open_with_cache(const h5::File& file, const std::string& dataset, std::size_t cacheBytes) {
  const h5::Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
  H5Pset_chunk_cache(access.id(), cacheBytes > 0 ? 521 : 0, cacheBytes, 1.0);
  return {H5Dopen2(file.id(), dataset.c_str(), access.id()), H5Dclose};
}

void swap_bytes(std::vector<std::uint8_t>& words, std::size_t wordBytes) {
  for (std::size_t at = 0; at + wordBytes <= words.size(); at += wordBytes) std::reverse(words.data() + at, words.data() + at + wordBytes);
}

hid_t native_type(std::size_t wordBytes) { return wordBytes == 1 ? H5T_NATIVE_UINT8 : wordBytes == 2 ? H5T_NATIVE_UINT16 : H5T_NATIVE_UINT32; }

std::string file_of(const h5::Handle& data, const std::string& otherwise) {
  std::array<char, 4096> name{};
  return H5Fget_name(data.id(), name.data(), name.size()) > 0 ? name.data() : otherwise;
}

}  // namespace

Hdf5Dataset::Hdf5Dataset(h5::File file, const std::string& dataset) : file_(std::move(file)), name_(dataset + " in " + file_.path()), data_(open_with_cache(file_, dataset, 0)) {
  if (!data_.ok()) throw Error(Code::corrupt_data, name_ + " does not open as a dataset");
  name_ = dataset + " in " + file_of(data_, file_.path());
  read_extents();
  check_type(h5::Handle(H5Dget_type(data_.id()), H5Tclose));
  choose_path();
  if (!raw_) {
    const std::uint64_t cache = std::min<std::uint64_t>(chunk_[0] * frame_bytes() + kSlabBytes, kChunkBytesMax);
    data_.reset();
    data_ = open_with_cache(file_, dataset, cache);
  }
}

void Hdf5Dataset::read_extents() {
  const h5::Handle space(H5Dget_space(data_.id()), H5Sclose);
  const int rank = H5Sget_simple_extent_ndims(space.id());
  if (rank != 3) throw Error(Code::unsupported, name_ + " has " + std::to_string(std::max(rank, 0)) + " dimensions, not 3 (frame, row, column)");
  hsize_t shape[3];
  H5Sget_simple_extent_dims(space.id(), shape, nullptr);
  frames_ = shape[0];
  rows_ = shape[1];
  columns_ = shape[2];
}

void Hdf5Dataset::refresh() {
  if (H5Drefresh(data_.id()) < 0) throw Error(Code::corrupt_data, name_ + " cannot be looked at again");
  const std::uint64_t rows = rows_, columns = columns_;
  read_extents();
  if (rows_ != rows || columns_ != columns || frames_ > std::numeric_limits<std::uint32_t>::max()) throw Error(Code::io_failed, name_ + " has another shape than before");
}

bool Hdf5Dataset::in_own_file() const {
  const h5::Handle creation(H5Dget_create_plist(data_.id()), H5Pclose);
  return file_of(data_, "") == file_.path() && H5Pget_layout(creation.id()) != H5D_VIRTUAL && H5Pget_external_count(creation.id()) == 0;
}

bool Hdf5Dataset::tells_frames() const {
  const h5::Handle creation(H5Dget_create_plist(data_.id()), H5Pclose);
  H5D_alloc_time_t when = H5D_ALLOC_TIME_DEFAULT;
  return chunked_ && H5Pget_alloc_time(creation.id(), &when) >= 0 && when != H5D_ALLOC_TIME_EARLY;
}

bool Hdf5Dataset::written(std::uint64_t frame) const {
  if (!chunked_) return true;
  const hsize_t first = frame / chunk_[0] * chunk_[0];
  for (hsize_t row = 0; row < rows_; row += chunk_[1]) {
    for (hsize_t column = 0; column < columns_; column += chunk_[2]) {
      const hsize_t offset[3] = {first, row, column};
      hsize_t bytes = 0;
      if (H5Dget_chunk_storage_size(data_.id(), offset, &bytes) < 0 || bytes == 0) return false;
    }
  }
  return true;
}

void Hdf5Dataset::check_type(const h5::Handle& type) {
  wordBytes_ = H5Tget_size(type.id());
  if (H5Tget_class(type.id()) != H5T_INTEGER || H5Tget_sign(type.id()) != H5T_SGN_NONE || (wordBytes_ != 1 && wordBytes_ != 2 && wordBytes_ != 4)) {
    throw Error(Code::unsupported, name_ + " is not uint8, uint16 or uint32");
  }
  const H5T_order_t order = H5Tget_order(type.id());
  if (wordBytes_ > 1 && order != H5T_ORDER_LE && order != H5T_ORDER_BE) throw Error(Code::unsupported, name_ + " is neither little-endian nor big-endian");
  swapped_ = wordBytes_ > 1 && order == H5T_ORDER_BE;
  // A frame of more than 2^31 pixels is damage; below, products of extents fit 64 bits.
  if (rows_ > 65535 || columns_ > 65535 || frames_ > std::numeric_limits<std::uint32_t>::max()) throw Error(Code::corrupt_data, name_ + " has an absurd shape");
}

/// Stored chunks are decoded here where all filters are ours: HDF5 1.10 reads behind a chunk that its filters leave too short.
void Hdf5Dataset::choose_path() {
  const h5::Handle creation(H5Dget_create_plist(data_.id()), H5Pclose);
  if (const auto filter = h5::unreadable_filter(creation.id())) {
    throw Error(Code::unsupported, name_ + " is compressed with HDF5 filter " + *filter + ", which is not supported; rewrite it with bitshuffle-LZ4, LZ4, gzip or uncompressed");
  }
  if (H5Pget_layout(creation.id()) != H5D_CHUNKED) return;
  chunked_ = true;
  if (H5Pget_chunk(creation.id(), 3, chunk_) != 3 || chunk_[0] == 0 || chunk_[1] == 0 || chunk_[2] == 0) throw Error(Code::corrupt_data, name_ + " has an absurd chunk shape");
  const std::uint64_t tile = chunk_[1] * chunk_[2] * wordBytes_;  // extents are below 2^32 each, at most 2^31 elements in all
  if (tile > kChunkBytesMax / chunk_[0]) throw Error(Code::unsupported, name_ + " has chunks of more than 2 GiB; rewrite it with one frame a chunk");
  const std::uint64_t most = std::max(frame_bytes(), tile);
  slabs_ = chunk_[0] > kRowBytesMax / most;
  raw_ = h5::FilterPipeline::of(creation.id());
  if (raw_ && raw_->empty() && slabs_) raw_.reset();  // nothing to decode: HDF5 reads parts of chunks
  unsigned options = 0;
  plainEdges_ = H5Pget_chunk_opts(creation.id(), &options) >= 0 && (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0;
  fill_.assign(wordBytes_, 0);
  H5D_fill_value_t defined = H5D_FILL_VALUE_UNDEFINED;
  if (H5Pfill_value_defined(creation.id(), &defined) >= 0 && defined == H5D_FILL_VALUE_USER_DEFINED) H5Pget_fill_value(creation.id(), native_type(wordBytes_), fill_.data());
}

std::uint64_t Hdf5Dataset::run_from(std::uint64_t frame) const noexcept {
  const std::uint64_t inRow = std::min<std::uint64_t>(chunk_[0] - frame % chunk_[0], frames_ - frame);
  if (raw_ && !slabs_) return inRow;
  const std::uint64_t fit = std::max<std::uint64_t>(kSlabBytes / std::max<std::uint64_t>(frame_bytes(), 1), 1);
  if (raw_) return std::min(fit, inRow);
  const std::uint64_t n = fit < chunk_[0] ? fit : fit / chunk_[0] * chunk_[0] - frame % chunk_[0];
  return std::min(n, frames_ - frame);
}

void Hdf5Dataset::load(std::uint64_t frame, std::uint64_t n, Hdf5Frames& into) const {
  into.sourceFirst = frame;
  into.frames = n;
  into.chunks.clear();
  into.storedBytes = 0;
  into.wrong.clear();
  if (!raw_) {
    load_words(frame, n, into);
    return;
  }
  if (slabs_) {
    load_slab(frame, n, into);
    return;
  }
  const hsize_t first = frame / chunk_[0] * chunk_[0];
  for (hsize_t row = 0; row < rows_; row += chunk_[1]) {
    for (hsize_t column = 0; column < columns_; column += chunk_[2]) load_chunk({first, row, column}, into);
  }
}

/// Words from chunk to chunk. Those that fit are kept decoded for the next slab of the same chunks.
void Hdf5Dataset::load_slab(std::uint64_t frame, std::uint64_t n, Hdf5Frames& into) const {
  into.words.resize(static_cast<std::size_t>(n * frame_bytes()));
  const hsize_t first = frame / chunk_[0] * chunk_[0];
  const bool again = first == tilesFirst_;
  if (!again) tiles_.clear();
  tilesFirst_ = first;
  const std::uint64_t missing = missingChunks_;
  for (hsize_t row = 0; row < rows_; row += chunk_[1]) {
    for (hsize_t column = 0; column < columns_; column += chunk_[2]) {
      const hsize_t offset[3] = {first, row, column};
      const auto kept = tiles_.find({row, column});
      if (kept != tiles_.end()) {
        place({{first, row, column}, 0, 0, 0, false}, kept->second, frame - first, n, into.words);
        continue;
      }
      Hdf5Frames one;
      one.frames = n;
      one.stored.swap(into.stored);
      load_chunk(offset, one);
      std::vector<std::uint8_t>& tile = into.tile;
      tile.resize(tile_bytes());
      one.wrong = decode_chunk(one, one.chunks[0], tile, scratch_);
      if (!one.wrong.empty()) throw error(one, frame);
      place(one.chunks[0], tile, frame - first, n, into.words);
      one.stored.swap(into.stored);
      if (chunk_[0] > 1 && (tiles_.size() + 1) * (tile_bytes() + kTileBeside) <= kChunkBytesMax) tiles_.emplace(std::pair(row, column), std::move(tile));
    }
  }
  if (again) missingChunks_ = missing;  // counted before
}

void Hdf5Dataset::load_chunk(const hsize_t (&offset)[3], Hdf5Frames& into) const {
  Hdf5Frames::Chunk chunk{{offset[0], offset[1], offset[2]}, into.storedBytes, 0, 0, false};
  hsize_t bytes = 0;
  const bool known = H5Dget_chunk_storage_size(data_.id(), offset, &bytes) >= 0;
  // Compressed data may be a little larger than plain; more than that is damage and must not be allocated.
  const std::uint64_t plain = chunk_[0] * chunk_[1] * chunk_[2] * wordBytes_;
  if (known && bytes > plain + plain / 8 + 65536) {
    throw Error(Code::corrupt_data, name_ + ": the chunk of frame " + std::to_string(offset[0] + 1) + byte_of(chunk) + " announces " + std::to_string(bytes) + " bytes");
  }
  if (!known || bytes == 0) {
    chunk.missing = true;
    ++missingChunks_;
  } else {
    // Of a chunk without filters no call tells how many bytes H5Dread_chunk gives: the file may announce more than the chunk has.
    chunk.bytes = raw_->empty() ? plain : bytes;
    into.storedBytes += chunk.bytes;
    if (into.stored.size() < into.storedBytes) into.stored.resize(into.storedBytes);
    std::uint8_t* const to = into.stored.data() + chunk.begin;
    if (!(raw_->empty() ? read_plain(offset, to) : H5Dread_chunk(data_.id(), H5P_DEFAULT, offset, &chunk.skippedFilters, to) >= 0)) {
      throw Error(Code::corrupt_data, name_ + ": the chunk of frame " + std::to_string(offset[0] + 1) + byte_of(chunk) + " cannot be read: the file is truncated");
    }
  }
  const bool overEdge = offset[0] + chunk_[0] > frames_ || offset[1] + chunk_[1] > rows_ || offset[2] + chunk_[2] > columns_;
  if (plainEdges_ && overEdge) chunk.skippedFilters = 0xFFFFFFFF;
  into.chunks.push_back(chunk);
}

bool Hdf5Dataset::read_plain(const hsize_t (&offset)[3], std::uint8_t* into) const {
  const hsize_t none[3] = {0, 0, 0};
  const hsize_t count[3] = {std::min<hsize_t>(chunk_[0], frames_ - offset[0]), std::min<hsize_t>(chunk_[1], rows_ - offset[1]), std::min<hsize_t>(chunk_[2], columns_ - offset[2])};
  const h5::Handle space(H5Dget_space(data_.id()), H5Sclose);
  const h5::Handle memory(H5Screate_simple(3, chunk_, nullptr), H5Sclose);
  H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, offset, nullptr, count, nullptr);
  H5Sselect_hyperslab(memory.id(), H5S_SELECT_SET, none, nullptr, count, nullptr);
  return H5Dread(data_.id(), native_type(wordBytes_), memory.id(), space.id(), H5P_DEFAULT, into) >= 0;
}

void Hdf5Dataset::load_words(std::uint64_t frame, std::uint64_t n, Hdf5Frames& into) const {
  into.words.resize(static_cast<std::size_t>(n * frame_bytes()));
  const std::array<hsize_t, 3> start{frame, 0, 0};
  const std::array<hsize_t, 3> count{n, rows_, columns_};
  const h5::Handle space(H5Dget_space(data_.id()), H5Sclose);
  const h5::Handle memory(H5Screate_simple(3, count.data(), nullptr), H5Sclose);
  H5Sselect_hyperslab(space.id(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  if (H5Dread(data_.id(), native_type(wordBytes_), memory.id(), space.id(), H5P_DEFAULT, into.words.data()) < 0) {
    const haddr_t at = H5Dget_offset(data_.id());
    const std::string where = at == HADDR_UNDEF ? "" : " (stored from byte " + std::to_string(at) + " on)";
    throw Error(Code::corrupt_data, "frames " + std::to_string(frame + 1) + " to " + std::to_string(frame + n) + " of " + name_ + where +
                                        " cannot be read: the file is truncated or a chunk is damaged");
  }
}

void Hdf5Dataset::decode(Hdf5Frames& frames, h5::FilterScratch& scratch) const {
  if (frames.chunks.empty()) return;
  const std::uint64_t tileBytes = tile_bytes();
  const bool whole = chunk_[1] == rows_ && chunk_[2] == columns_;
  const auto skip = static_cast<std::size_t>((frames.sourceFirst - frames.chunks[0].offset[0]) * frame_bytes());
  if (whole && skip == 0 && raw_->empty() && !frames.chunks[0].missing && frames.chunks[0].bytes == tileBytes) {
    std::swap(frames.words, frames.stored);  // plain words already
    return;
  }
  // A chunk of whole frames is decoded in place; `words` then starts at the chunk's first frame.
  frames.words.resize(static_cast<std::size_t>(chunk_[0] * frame_bytes()));
  if (!whole) frames.tile.resize(tileBytes);
  for (std::size_t i = 0; i < frames.chunks.size(); ++i) {
    const Hdf5Frames::Chunk& chunk = frames.chunks[i];
    frames.wrong = decode_chunk(frames, chunk, whole ? frames.words : frames.tile, scratch);
    frames.wrongChunk = i;
    if (!frames.wrong.empty()) return;
    if (!whole) place(chunk, frames.tile, 0, chunk_[0], frames.words);
  }
  if (skip > 0) std::memmove(frames.words.data(), frames.words.data() + skip, frames.words.size() - skip);
}

/// One chunk, in the machine's byte order. Returns what is wrong with it.
std::string Hdf5Dataset::decode_chunk(const Hdf5Frames& frames, const Hdf5Frames::Chunk& chunk, std::vector<std::uint8_t>& into, h5::FilterScratch& scratch) const {
  if (chunk.missing) {
    for (std::size_t at = 0; at < into.size(); at += wordBytes_) std::memcpy(into.data() + at, fill_.data(), wordBytes_);
    return {};
  }
  std::string wrong = raw_->decode({frames.stored.data() + chunk.begin, chunk.bytes}, chunk.skippedFilters, into, scratch);
  if (wrong.empty() && swapped_ && !raw_->empty()) swap_bytes(into, wordBytes_);  // without filters HDF5 read it
  return wrong;
}

/// Copies what lies on the detector of frames [first, first + n) of a tile to its place in the words of these frames.
void Hdf5Dataset::place(const Hdf5Frames::Chunk& chunk, const std::vector<std::uint8_t>& tile, std::uint64_t first, std::uint64_t n, std::vector<std::uint8_t>& words) const {
  const std::uint64_t rows = std::min<std::uint64_t>(chunk_[1], rows_ - chunk.offset[1]);
  const std::uint64_t bytes = std::min<std::uint64_t>(chunk_[2], columns_ - chunk.offset[2]) * wordBytes_;
  for (std::uint64_t f = 0; f < n; ++f) {
    for (std::uint64_t r = 0; r < rows; ++r) {
      const std::uint8_t* from = tile.data() + ((first + f) * chunk_[1] + r) * chunk_[2] * wordBytes_;
      std::uint8_t* to = words.data() + ((f * rows_ + chunk.offset[1] + r) * columns_ + chunk.offset[2]) * wordBytes_;
      std::memcpy(to, from, bytes);
    }
  }
}

std::string Hdf5Dataset::byte_of(const Hdf5Frames::Chunk& chunk) const {
  haddr_t at = HADDR_UNDEF;
  hsize_t bytes = 0;
  unsigned skipped = 0;
  if (H5Dget_chunk_info_by_coord(data_.id(), chunk.offset, &skipped, &at, &bytes) < 0 || at == HADDR_UNDEF) return "";
  return " (byte " + std::to_string(at) + " of the file, " + std::to_string(bytes) + " bytes)";
}

Error Hdf5Dataset::error(const Hdf5Frames& frames, std::uint64_t firstFrame) const {
  const Hdf5Frames::Chunk& chunk = frames.chunks.at(frames.wrongChunk);
  return {Code::corrupt_data, "frames " + std::to_string(firstFrame + 1) + " to " + std::to_string(firstFrame + frames.frames) + " of " + name_ + ": the chunk" +
                                  byte_of(chunk) + " is damaged: " + frames.wrong};
}

}  // namespace xpcs
