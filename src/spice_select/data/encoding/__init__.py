"""From conversations to examples: the only home of chat template and loss mask.

`template` is what text a conversation becomes, `spans` which characters of it the assistant wrote, `mask` which tokens
those are; `encoder` is the three together, `rows` the same for a whole corpus.
"""

from spice_select.data.encoding.encoder import Encoder as Encoder
from spice_select.data.encoding.mask import labels_of as labels_of
from spice_select.data.encoding.mask import mask_of as mask_of
from spice_select.data.encoding.rows import Encoded as Encoded
from spice_select.data.encoding.rows import encode_rows as encode_rows
from spice_select.data.encoding.rows import encode_some as encode_some
